// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"headroom/internal/dockertest"
	"headroom/targets/kinds"
)

// compile builds a tiny program and returns its path.
func compile(t *testing.T, source string, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, filepath.Join(dir, "main.go"))
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}

const tinyProgram = "package main\n\nfunc main() { print(%q) }\n"

func TestReadStatic(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles programs")
	}
	static := compile(t, fmt.Sprintf(tinyProgram, "x"), "CGO_ENABLED=0")
	if _, err := readStatic(static); err != nil {
		t.Errorf("a static binary is refused: %v", err)
	}
	mac := compile(t, fmt.Sprintf(tinyProgram, "x"), "CGO_ENABLED=0", "GOOS=darwin")
	if _, err := readStatic(mac); err == nil || !strings.Contains(err.Error(), "is not a Linux executable") {
		t.Errorf("a darwin binary gives %v", err)
	}
	_, err := readStatic("/bin/sh")
	if err == nil || !strings.Contains(err.Error(), "dynamically linked") || !strings.Contains(err.Error(), "make build") {
		t.Errorf("a dynamic binary gives %v", err)
	}
	if _, err := readStatic(filepath.Join(t.TempDir(), "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no binary gives %v", err)
	}
}

func TestShortHash(t *testing.T) {
	a := shortHash([]byte("a"), []byte("b"))
	if len(a) != hashDigits || strings.Trim(a, "0123456789abcdef") != "" {
		t.Errorf("hash is %q", a)
	}
	if a == shortHash([]byte("a"), []byte("c")) {
		t.Error("another part gives the same hash")
	}
}

func TestPackFiles(t *testing.T) {
	packed, err := packFiles([]file{{"Dockerfile", 0o644, []byte("FROM x")}, {"headroom", 0o755, []byte("elf")}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(packed); ; {
		hdr, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %s", hdr.Name, hdr.Mode, content))
	}
	if want := "Dockerfile 644 FROM x;headroom 755 elf"; strings.Join(got, ";") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFollow(t *testing.T) {
	if err := follow(strings.NewReader(`{"stream":"Step 1"}` + "\n" + `{"aux":{"ID":"sha256:1"}}`)); err != nil {
		t.Errorf("a good build gives %v", err)
	}
	var long strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&long, `{"stream":"line %d\n"}`, i)
	}
	err := follow(strings.NewReader(long.String() + `{"errorDetail":{"code":100,"message":"returned 100"}}`))
	if err == nil {
		t.Fatal("a failed build gives no error")
	}
	text := err.Error()
	for _, want := range []string{"returned 100", "line 19999", fmt.Sprintf("line %d\n", 20000-tailLines)} {
		if !strings.Contains(text, want) {
			t.Errorf("error %q lacks %q", text, want)
		}
	}
	if n := strings.Count(text, "\n"); n > tailLines+1 {
		t.Errorf("the error has %d lines", n)
	}
	if err := follow(strings.NewReader(`{"stream":`)); err == nil {
		t.Error("a torn answer gives no error")
	}
}

func TestNoDebianSaysWhatIsMissing(t *testing.T) {
	text := (&noDebianError{pull: errors.New("no such host"), local: errors.New("is not installed")}).Error()
	for _, want := range []string{"image:", officialDebian, "registry:    no such host", "debootstrap: is not installed", "docker load", "apt-get install debootstrap"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

func TestRunSaysTheTail(t *testing.T) {
	err := run(t.Context(), time.Minute, "sh", "-c", "echo first; echo the reason >&2; exit 4")
	if err == nil || !strings.Contains(err.Error(), "sh: exit status 4\n  first\n  the reason") {
		t.Errorf("error is %v", err)
	}
	err = run(t.Context(), 50*time.Millisecond, "sleep", "60")
	if err == nil || !strings.Contains(err.Error(), "sleep: not done after 50ms") {
		t.Errorf("error is %v", err)
	}
}

// docker returns a client, or skips the test where there is no engine.
func docker(t *testing.T) *client.Client {
	t.Helper()
	return dockertest.Connect(t, func(ctx context.Context) (*client.Client, error) {
		cli, err := client.New(client.FromEnv)
		if err != nil {
			return nil, err
		}
		if _, err := cli.Ping(ctx, client.PingOptions{}); err != nil {
			return nil, errors.Join(err, cli.Close())
		}
		return cli, nil
	})
}

func TestEnsure(t *testing.T) {
	cli := docker(t)
	binary := compile(t, fmt.Sprintf(tinyProgram, t.Name()+fmt.Sprint(os.Getpid())), "CGO_ENABLED=0")
	var progress strings.Builder
	ref, err := Ensure(t.Context(), cli, binary, Packages(kinds.Data()), &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	t.Logf("%s", progress.String())
	t.Cleanup(func() {
		_, err := cli.ImageRemove(context.WithoutCancel(t.Context()), ref.Tag, client.ImageRemoveOptions{PruneChildren: true})
		if err != nil {
			t.Errorf("removing %s: %v", ref.Tag, err)
		}
	})
	found, err := cli.ImageInspect(t.Context(), ref.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(found.Config.Entrypoint, " "); got != "/usr/local/bin/headroom machine" {
		t.Errorf("entry point is %q", got)
	}
	if got := found.Config.Labels[labelKey]; got != labelValue {
		t.Errorf("label is %q", got)
	}
	again, err := Ensure(t.Context(), cli, binary, Packages(kinds.Data()), io.Discard)
	if err != nil || again != ref {
		t.Errorf("a second time gives %v, %v; want %v", again, err, ref)
	}
	checkOtherName(t, cli, ref)
}

// checkOtherName gives ref a second name, as Latest is one.
func checkOtherName(t *testing.T, cli *client.Client, ref Ref) {
	t.Helper()
	name := repoMachine + ":test-" + fmt.Sprint(os.Getpid())
	if err := tagAs(t.Context(), cli, ref, name); err != nil {
		t.Fatal(err)
	}
	id, err := find(t.Context(), cli, name)
	if err != nil || id != ref.ID {
		t.Errorf("%s is %q, %v; want %s", name, id, err, ref.ID)
	}
	if _, err := cli.ImageRemove(t.Context(), name, client.ImageRemoveOptions{}); err != nil {
		t.Errorf("removing %s: %v", name, err)
	}
	if err := tagAs(t.Context(), cli, Ref{Tag: repoMachine + ":not-there"}, name); err == nil {
		t.Error("an image that is not there was given a name")
	}
}
