// SPDX-License-Identifier: Apache-2.0

// Package image makes the one image that every machine runs, in two steps:
//
//  1. the base, headroom/base:<hash of its Dockerfile>: Debian and the server
//     programs; minutes, once;
//  2. the machine image, headroom/machine:<hash of the binary>: the base plus
//     our static binary; seconds, after every build of headroom.
//
// The base stands on debian:trixie-slim when that is here or can be pulled,
// else on the same system made here with debootstrap under our own name.
package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	types "github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"headroom/scenarios"
)

const (
	repoBase    = "headroom/base"
	repoMachine = "headroom/machine"

	labelKey   = "headroom"
	labelValue = "image"

	hashDigits = 12

	baseBuildTimeout    = 30 * time.Minute // minutes on an idle computer; the limit is for one that hangs
	machineBuildTimeout = 5 * time.Minute
	// A long run of another binary may be between two containers, so no container uses
	// its image now. The image stays while it is young or among the newest.
	pruneAge  = 15 * time.Minute
	pruneKeep = 4
)

//go:embed base.Dockerfile
var baseDockerfile []byte

//go:embed machine.Dockerfile
var machineDockerfile []byte

// Ref names an image in the engine's store.
type Ref struct {
	Tag string // "headroom/machine:0123456789ab"
	ID  string // "sha256:..."
}

// Packages are the Debian packages of the kinds' server programs, by name.
func Packages(kinds []scenarios.Kind) []string {
	var packages []string
	for _, k := range kinds {
		if k.Facts.Server != nil {
			packages = append(packages, k.Facts.Server.Debian)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// baseFile is the base's Dockerfile with the packages of the servers.
func baseFile(packages []string) []byte {
	return bytes.ReplaceAll(baseDockerfile, []byte("${PACKAGES}"), []byte(strings.Join(packages, " ")))
}

// BaseTag names the base image with these packages. Another tag may have other
// servers, and other numbers for their users.
func BaseTag(packages []string) string { return repoBase + ":" + shortHash(baseFile(packages)) }

// Ensure returns the machine image for the headroom executable at path binary, with
// the packages of the servers. It builds what is missing, which takes seconds when
// only the binary is new, and minutes the first time. Lines about slow steps go to
// progress. Machine images of earlier binaries that no container uses are removed,
// but for the newest.
//
// It fails when the binary is not a static Linux one, and when the engine does not
// answer. It also fails when there is no base image, no registry and no debootstrap
// to start from; the error says why each is missing.
func Ensure(ctx context.Context, cli *client.Client, binary string, packages []string, progress io.Writer) (Ref, error) {
	content, err := readStatic(binary)
	if err != nil {
		return Ref{}, err
	}
	tag := repoMachine + ":" + shortHash(content, baseFile(packages), machineDockerfile)
	if id, err := find(ctx, cli, tag); err != nil || id != "" {
		return Ref{Tag: tag, ID: id}, err
	}
	base, err := EnsureBase(ctx, cli, packages, progress)
	if err != nil {
		return Ref{}, err
	}

	start := time.Now()
	ctxBuild, cancel := context.WithTimeout(ctx, machineBuildTimeout)
	defer cancel()
	err = build(ctxBuild, cli, tag, base, []file{
		{name: "Dockerfile", mode: 0o644, content: machineDockerfile},
		{name: "headroom", mode: 0o755, content: content},
	})
	if err != nil {
		return Ref{}, fmt.Errorf("image: building %s: %w", tag, err)
	}
	id, err := find(ctx, cli, tag)
	if err != nil {
		return Ref{}, err
	}
	if id == "" {
		return Ref{}, fmt.Errorf("image: %s was built but is not there: something removed it; run again", tag)
	}
	fmt.Fprintf(progress, "image: %s ready in %.1f s\n", tag, time.Since(start).Seconds())
	prune(ctx, cli, tag, progress)
	return Ref{Tag: tag, ID: id}, nil
}

// EnsureBase returns the tag of the base image, which has the server programs and not
// headroom itself. It builds a missing image, which takes minutes.
func EnsureBase(ctx context.Context, cli *client.Client, packages []string, progress io.Writer) (string, error) {
	dockerfile, tag := baseFile(packages), BaseTag(packages)
	if id, err := find(ctx, cli, tag); err != nil || id != "" {
		return tag, err
	}
	start := time.Now()
	debian, err := ensureDebian(ctx, cli, progress)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(progress, "image: installing the servers on %s (about 1 min)...\n", debian)
	ctx, cancel := context.WithTimeout(ctx, baseBuildTimeout)
	defer cancel()
	err = build(ctx, cli, tag, debian, []file{{name: "Dockerfile", mode: 0o644, content: dockerfile}})
	if err != nil {
		return "", fmt.Errorf("image: building %s on %s: %w", tag, debian, err)
	}
	fmt.Fprintf(progress, "image: base %s ready in %.0f s\n", tag, time.Since(start).Seconds())
	return tag, nil
}

// find returns the ID of the image with this tag, or "" when there is none.
func find(ctx context.Context, cli *client.Client, tag string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found, err := cli.ImageInspect(ctx, tag)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("image: asking Docker for %s: %w", tag, err)
	}
	return found.ID, nil
}

// prune removes machine images of earlier binaries. Failing to is no reason to
// stop: an image in use stays, and the next run tries again.
func prune(ctx context.Context, cli *client.Client, keep string, progress io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	list, err := cli.ImageList(ctx, client.ImageListOptions{
		Filters: make(client.Filters).Add("label", labelKey+"="+labelValue).Add("reference", repoMachine),
	})
	if err != nil {
		fmt.Fprintf(progress, "image: older images stay: %v\n", err)
		return
	}
	slices.SortFunc(list.Items, func(a, b types.Summary) int { return cmp.Compare(b.Created, a.Created) })
	for i, img := range list.Items {
		if i < pruneKeep || time.Since(time.Unix(img.Created, 0)) < pruneAge {
			continue
		}
		for _, tag := range img.RepoTags {
			if tag == keep || tag == Latest {
				continue
			}
			// Without force the engine refuses when a container uses it.
			_, err := cli.ImageRemove(ctx, tag, client.ImageRemoveOptions{PruneChildren: true})
			if err == nil {
				fmt.Fprintf(progress, "image: removed %s\n", tag)
			}
		}
	}
}

// shortHash is the first digits of the SHA-256 of all parts in order.
func shortHash(parts ...[]byte) string {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// readStatic reads a static Linux executable.
func readStatic(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("image: reading the headroom binary: %w", err)
	}
	if err := checkStatic(content); err != nil {
		return nil, fmt.Errorf("image: %s %w; build it with `make build` (CGO_ENABLED=0 GOOS=linux)", path, err)
	}
	return content, nil
}
