// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"headroom/harness/record"
	"headroom/harness/stage/docker"
	"headroom/harness/stage/process"
	"headroom/internal/dockertest"
	"headroom/scenarios"
	"headroom/targets/image"
	"headroom/targets/kinds"
)

const (
	localLimit = 3 * time.Minute  // for all of it: 20 s on a quiet computer
	stopLimit  = 30 * time.Second // for a run that was interrupted: docs say 15 s, these computers stall
)

// A computer that has all server programs and no Docker is the base of our own
// machine image: there a run takes the process stage, says so, measures with
// processes of every kind, and when it is interrupted reports what it has.
func TestRunWithoutDocker(t *testing.T) {
	cli := dockertest.Connect(t, docker.Connect)
	ctx, cancel := context.WithTimeout(t.Context(), localLimit)
	defer cancel()
	id := createLocal(ctx, t, cli)
	if _, err := cli.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	output := interruptSecondProbe(ctx, t, cli, id)
	for _, want := range []string{"took the process stage", "docker is not available", "without CPU or memory limits", "interrupted: the finished trials are in /out"} {
		if !strings.Contains(output, want) {
			t.Errorf("it does not say %q:\n%s", want, output)
		}
	}
	out := t.TempDir()
	for _, name := range []string{record.FileName, "report.json", "report.html"} {
		copyOut(ctx, t, cli, id, "/out/"+name, out)
	}
	checkTrials(t, out)
	left := copyOut(ctx, t, cli, id, process.RootCacheDir, t.TempDir())
	complete := slices.DeleteFunc(slices.Clone(left), func(name string) bool { return !strings.HasSuffix(name, "/COMPLETE") })
	if len(complete) != 1 || slices.ContainsFunc(left, func(name string) bool { return strings.Contains(name, "run-") }) {
		t.Errorf("left in the cache: %q, want one complete dataset and no run", left)
	}
}

// checkTrials demands a trial whose machines could be counted, cgroup or not.
func checkTrials(t *testing.T, dir string) {
	t.Helper()
	log, err := record.ReadFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if log.Run.Environment.Stage != record.StageProcess || len(log.Run.Environment.Packages) != 3 {
		t.Errorf("environment %+v", log.Run.Environment)
	}
	if len(log.Trials) == 0 {
		t.Fatal("no trial is on file")
	}
	first := log.Trials[0]
	machines := map[scenarios.Variant]int{scenarios.Before: 6, scenarios.After: 2} // a coin says which is first
	if first.Measurement.Succeeded == 0 || len(first.Machines) != machines[first.Variant] {
		t.Errorf("%d requests succeeded, %d machines were counted", first.Measurement.Succeeded, len(first.Machines))
	}
	for _, reason := range first.Invalid {
		if strings.Contains(reason, "could not read") {
			t.Error(reason)
		}
	}
}

// createLocal makes the container: the base image, this program and a scenario.
func createLocal(ctx context.Context, t *testing.T, cli *client.Client) string {
	t.Helper()
	base, err := image.EnsureBase(ctx, cli, image.Packages(kinds.Data()), io.Discard)
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
	return made.ID
}

// interruptSecondProbe follows the run's output to its end, and presses Ctrl-C
// when the first trial is on file.
func interruptSecondProbe(ctx context.Context, t *testing.T, cli *client.Client, id string) string {
	t.Helper()
	logs, err := cli.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	reader, writer := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(writer, writer, logs)
		writer.CloseWithError(err)
	}()
	var output strings.Builder
	probes := 0
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		fmt.Fprintln(&output, lines.Text())
		if !strings.Contains(lines.Text(), "bracket: ") {
			continue
		}
		if probes++; probes == 2 {
			if _, err := cli.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "SIGINT"}); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(stopLimit, func() { logs.Close() })
			defer late.Stop()
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("the run did not end in time: %v\n%s", err, output.String())
	}
	return output.String()
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

// copyOut copies a file to dir; of a folder it only returns the names of all
// that is in it.
func copyOut(ctx context.Context, t *testing.T, cli *client.Client, id, path, dir string) (names []string) {
	t.Helper()
	copied, err := cli.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Content.Close()
	for files := tar.NewReader(copied.Content); ; {
		header, err := files.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		if strings.Contains(header.Name, "/") {
			continue
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, header.Name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
