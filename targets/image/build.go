// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	types "github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// tailLines is how much of a failed build's output its error shows.
const tailLines = 15

// file is one entry of a build context.
type file struct {
	name    string
	mode    int64
	content []byte
}

// build builds one image from a context held in memory. It asks for the
// classic builder: every engine has it, and it needs no session.
func build(ctx context.Context, cli *client.Client, tag, base string, files []file) error {
	packed, err := packFiles(files)
	if err != nil {
		return err
	}
	res, err := cli.ImageBuild(ctx, packed, client.ImageBuildOptions{
		Tags:        []string{tag},
		BuildArgs:   map[string]*string{"BASE": &base},
		Remove:      true,
		ForceRemove: true,
		Version:     types.BuilderV1,
	})
	if err != nil {
		return fmt.Errorf("asking Docker to build: %w", err)
	}
	defer res.Body.Close()
	return follow(res.Body)
}

// packFiles makes the tar stream of a build context.
func packFiles(files []file) (io.Reader, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		hdr := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content))}
		if err := w.WriteHeader(hdr); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.name, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing the build context: %w", err)
	}
	return &buf, nil
}

// follow reads an engine's message stream to its end. Its error holds the last
// lines of what the build printed.
func follow(r io.Reader) error {
	var printed strings.Builder
	fail := func(err error) error {
		tail := lastLines(printed.String(), tailLines)
		if tail == "" {
			return err
		}
		return fmt.Errorf("%w\nits last lines:\n%s", err, tail)
	}
	dec := json.NewDecoder(r)
	for {
		var m jsonstream.Message
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fail(fmt.Errorf("reading Docker's answer: %w", err))
		}
		if m.Error != nil {
			return fail(m.Error)
		}
		if printed.Len() > 1<<16 {
			kept := lastLines(printed.String(), tailLines)
			printed.Reset()
			printed.WriteString(kept + "\n")
		}
		printed.WriteString(m.Stream)
	}
}

// lastLines returns the last n lines of s, indented, without blank ones.
func lastLines(s string, n int) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, "  "+line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
