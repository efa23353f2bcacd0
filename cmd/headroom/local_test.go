package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"headroom/harness/stage/docker"
	"headroom/targets/image"
)

// localLimit bounds the run in the container: 50 s on a quiet computer.
const localLimit = 4 * time.Minute

// A computer that has all server programs and no Docker is the base of our own
// machine image: there a run takes the process stage, says so, and measures.
func TestRunWithoutDocker(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine: skipped by -short")
	}
	cli, err := docker.Connect(t.Context())
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { cli.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), localLimit)
	defer cancel()
	base, err := image.EnsureBase(ctx, cli, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	made, err := cli.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: base, Labels: map[string]string{"headroom.test": "local"},
			Entrypoint: []string{"headroom", "run", "/local.yaml", "--stage", "auto", "--quick", "--out", "/out"},
		},
		HostConfig: &container.HostConfig{NetworkMode: "none", ShmSize: 256 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := cli.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	})
	copyIn(t, cli, made.ID, "/", "testdata/local.yaml")
	copyIn(t, cli, made.ID, "/usr/local/bin", buildHeadroom(t))
	if _, err := cli.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := follow(ctx, t, cli, made.ID)
	if !strings.Contains(stderr, "took the process stage") || !strings.Contains(stderr, "docker is not available") {
		t.Errorf("it does not say which stage it took, and why:\n%s", stderr)
	}
	if !strings.Contains(stdout, "without CPU or memory limits") {
		t.Errorf("the report does not warn:\n%s\n%s", stdout, stderr)
	}
	for _, want := range []string{"report.json", "trials.jsonl", "report.html"} {
		copied, err := cli.CopyFromContainer(ctx, made.ID, client.CopyFromContainerOptions{SourcePath: "/out/" + want})
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		copied.Content.Close()
	}
	checkNothingLeft(ctx, t, cli, made.ID)
}

// buildHeadroom builds this very program as the image needs it.
func buildHeadroom(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "headroom")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return binary
}

// copyIn puts a file into a folder of the container.
func copyIn(t *testing.T, cli *client.Client, id, folder, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o755, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cli.CopyToContainer(t.Context(), id, client.CopyToContainerOptions{DestinationPath: folder, Content: &packed}); err != nil {
		t.Fatal(err)
	}
}

// follow reads the container's log until it ends.
func follow(ctx context.Context, t *testing.T, cli *client.Client, id string) (stdout, stderr string) {
	t.Helper()
	logs, err := cli.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	var out, errOut bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &errOut, logs); err != nil {
		t.Fatalf("not ended within %v: %v\n%s", localLimit, err, errOut.String())
	}
	return out.String(), errOut.String()
}

// checkNothingLeft demands that the run removed its folder: only datasets and
// the lock stay in the cache.
func checkNothingLeft(ctx context.Context, t *testing.T, cli *client.Client, id string) {
	t.Helper()
	copied, err := cli.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: "/var/cache/headroom"})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Content.Close()
	datasets := 0
	for files := tar.NewReader(copied.Content); ; {
		header, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(header.Name, "headroom/")
		if strings.HasPrefix(name, "run-") {
			t.Errorf("%s is left", header.Name)
		}
		if strings.HasPrefix(name, "dataset-") && strings.HasSuffix(name, "/COMPLETE") {
			datasets++
		}
	}
	if datasets != 1 {
		t.Errorf("%d complete datasets, want 1", datasets)
	}
}
