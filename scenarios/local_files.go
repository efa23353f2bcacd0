// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// maxFileBytes is the largest size of a file that goes to a process.
const maxFileBytes = 1 << 20

// file reads a file that stands beside the scenario.
func (n node) file(name string) File {
	f := File{From: name}
	switch {
	case n.doc.dir == "":
		n.fail("%q: a scenario of the catalog has no files beside it: copy the scenario to a file of your own", name)
		return f
	case !filepath.IsLocal(name) || path.Clean(name) != name:
		n.fail("%q leads out of the scenario file's folder, or round about: write the path from that folder, for example schema.sql", name)
		return f
	}
	content, err := readLocalFile(n.doc.dir, name)
	if err != nil {
		n.fail("%v", err)
		return f
	}
	sum := sha256.Sum256(content)
	f.SHA256, f.Content = hex.EncodeToString(sum[:]), content
	return f
}

// readLocalFile reads a file below a folder. No link leads out of the folder.
func readLocalFile(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the scenario file's folder can't be read: %w", err)
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%q can't be read beside the scenario file: %w", name, err)
	}
	if !info.Mode().IsRegular() { // a pipe would never end
		return nil, fmt.Errorf("%q is no file: name each file by itself", name)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%q can't be read beside the scenario file: %w", name, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%q can't be read: %w", name, err)
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("%q holds more than %d bytes: put it into the image", name, maxFileBytes)
	}
	return content, nil
}

// checkBuild complains about a context or a Dockerfile that is not there. The context
// may stand anywhere: a scenario is often below the program's own folder.
func (n node) checkBuild(b *Build) {
	if n.doc.dir == "" {
		n.fail("a scenario of the catalog has no folder that an image could be built from: copy the scenario to a file of your own")
		return
	}
	if b.Context == "" || filepath.IsAbs(b.Context) {
		n.fail("%q is no context: write the folder's path from the scenario file's folder, for example .", b.Context)
		return
	}
	dockerfile := filepath.Join(b.Context, cmp.Or(b.Dockerfile, "Dockerfile"))
	if info, err := os.Stat(filepath.Join(b.Dir, dockerfile)); err != nil || !info.Mode().IsRegular() {
		n.fail("there is no file %s beside the scenario file: write context and dockerfile as paths from there", dockerfile)
	}
}
