// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/moby/moby/client"
)

const (
	officialDebian = "debian:trixie-slim"
	// ourDebian is never the official name: what debootstrap makes here is not
	// what a registry would send.
	ourDebian = "headroom/debian:trixie"
	suite     = "trixie"

	pullAnswerTimeout  = 15 * time.Second // until the registry says its first word
	pullTimeout        = 5 * time.Minute
	debootstrapTimeout = 20 * time.Minute
	installTimeout     = 5 * time.Minute
	stopGrace          = 10 * time.Second
)

// treeExcludes leaves out of the imported tree what the base does not need.
var treeExcludes = []string{
	"./var/cache/apt", "./var/lib/apt/lists", "./var/log", "./usr/share/doc", "./usr/share/man",
	"./usr/share/info", "./usr/share/locale", "./proc", "./sys",
}

// ensureDebian returns the tag of a Debian trixie image. It takes an image that is
// here, else pulls one, else makes one here.
func ensureDebian(ctx context.Context, cli *client.Client, progress io.Writer) (string, error) {
	for _, tag := range []string{officialDebian, ourDebian} {
		if id, err := find(ctx, cli, tag); err != nil || id != "" {
			return tag, err
		}
	}
	fmt.Fprintf(progress, "image: pulling %s...\n", officialDebian)
	pullErr := pull(ctx, cli)
	if pullErr == nil {
		return officialDebian, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	fmt.Fprintf(progress, "image: no registry answers: making Debian here with debootstrap (about 1 min)...\n")
	if err := debootstrap(ctx, cli, progress); err != nil {
		return "", &noDebianError{pull: pullErr, local: err}
	}
	return ourDebian, nil
}

// noDebianError says everything that was tried, and what to do.
type noDebianError struct{ pull, local error }

func (e *noDebianError) Error() string {
	return fmt.Sprintf(`image: there is nothing to build the machine image from:
  image:       %s is not in this Docker engine
  registry:    %v
  debootstrap: %v
Do one of: let Docker reach a registry; load the image (docker load); or, as root on a Debian or Ubuntu system, apt-get install debootstrap and run again`,
		officialDebian, e.pull, e.local)
}

func (e *noDebianError) Unwrap() []error { return []error{e.pull, e.local} }

// pull gets the official image. It soon gives up a registry that stays silent. A
// registry that answers may take its time.
func pull(ctx context.Context, cli *client.Client) error {
	ctx, stop := context.WithTimeoutCause(ctx, pullTimeout, fmt.Errorf("not pulled within %v", pullTimeout))
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(pullAnswerTimeout, func() {
		cancel(fmt.Errorf("no answer within %v", pullAnswerTimeout))
	})
	defer silent.Stop()
	res, err := cli.ImagePull(ctx, officialDebian, client.ImagePullOptions{})
	if err == nil {
		silent.Stop()
		err = res.Wait(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// debootstrap makes a minimal Debian tree in a temporary folder and imports it.
func debootstrap(ctx context.Context, cli *client.Client, progress io.Writer) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("needs root, and this is not: run this once with sudo")
	}
	program, err := findDebootstrap(ctx, progress)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "headroom-debian-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeTree(dir)) }()

	start := time.Now()
	if err := run(ctx, debootstrapTimeout, program, "--variant=minbase", suite, dir); err != nil {
		return err
	}
	fmt.Fprintf(progress, "image: debootstrap took %.0f s; importing...\n", time.Since(start).Seconds())
	return importTree(ctx, cli, dir)
}

// findDebootstrap returns the program's path, installing it when it can.
func findDebootstrap(ctx context.Context, progress io.Writer) (string, error) {
	const name = "debootstrap"
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil {
		return "", errors.New("is not installed, and this system has no apt-get to install it with")
	}
	fmt.Fprintf(progress, "image: installing debootstrap with apt-get...\n")
	if err := run(ctx, installTimeout, apt, "install", "-y", "--no-install-recommends", name); err != nil {
		return "", fmt.Errorf("is not installed, and installing it failed: %w", err)
	}
	return exec.LookPath(name)
}

// importTree streams a tree into the engine as our own Debian image.
func importTree(ctx context.Context, cli *client.Client, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	args := []string{"-C", dir, "--numeric-owner", "--one-file-system"}
	for _, path := range treeExcludes {
		// The folder itself stays, its content does not.
		args = append(args, "--exclude", path+"/*")
	}
	tar := exec.CommandContext(ctx, "tar", append(args, "-c", ".")...)
	tar.WaitDelay = stopGrace
	var stderr bytes.Buffer
	tar.Stderr = &stderr
	stream, err := tar.StdoutPipe()
	if err != nil {
		return err
	}
	if err := tar.Start(); err != nil {
		return err
	}
	importErr := sendTree(ctx, cli, stream)
	if importErr != nil {
		cancel() // nobody reads the pipe any more
	}
	if err := tar.Wait(); err != nil && importErr == nil {
		return fmt.Errorf("tar: %w\n%s", err, lastLines(stderr.String(), tailLines))
	}
	return importErr
}

func sendTree(ctx context.Context, cli *client.Client, stream io.Reader) error {
	res, err := cli.ImageImport(ctx, client.ImageImportSource{Source: stream, SourceName: "-"}, ourDebian,
		client.ImageImportOptions{
			Message: "debootstrap --variant=minbase " + suite,
			Changes: []string{"LABEL " + labelKey + "=" + labelValue},
		})
	if err != nil {
		return fmt.Errorf("importing into Docker: %w", err)
	}
	defer res.Close()
	return follow(res)
}

// run runs a program to its end; its error holds the last lines it printed.
func run(ctx context.Context, timeout time.Duration, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	// debootstrap takes its mounts down on SIGTERM, not on SIGKILL.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("not done after %v", timeout)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, lastLines(string(out), tailLines))
}

// removeTree removes a debootstrap tree. A killed debootstrap leaves mounts
// inside it, which must go first: removing files below them would reach the
// host's own.
func removeTree(dir string) error {
	for _, mount := range []string{"proc", "sys", "dev/pts", "dev"} {
		_ = syscall.Unmount(filepath.Join(dir, mount), syscall.MNT_DETACH)
	}
	return os.RemoveAll(dir)
}
