// SPDX-License-Identifier: Apache-2.0

package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	none     = -1 // no descriptor
	maxLinks = 40 // as in Linux
)

// target is what a path leads to.
type target struct {
	path       string      // without links
	info       fs.FileInfo // nil when nothing is there yet
	descriptor int         // of this process, or none
}

// resolve follows path's links up to something that is none, or to a name
// that is free.
func resolve(path string) (target, error) {
	at := path
	for range maxLinks {
		// Not filepath.Dir and Base: they take a .. away before its links are
		// followed.
		cut := strings.LastIndexByte(at, filepath.Separator) + 1
		dir, base := at[:cut], at[cut:]
		switch {
		case at == "":
			return target{}, errors.New("the name of the file to write is empty: name a file")
		case base == "":
			return target{}, fmt.Errorf("%s is a folder's name: name a file in it", path)
		case dir == "":
			dir = "."
		}
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return target{}, folderError(path, dir, err)
		}
		if base == "." || base == ".." {
			return target{}, fmt.Errorf("%s is a folder: name a file in it", path)
		}
		if descriptors.MatchString(real) {
			return ownDescriptor(path, real, base)
		}
		t := target{path: filepath.Join(real, base), descriptor: none}
		t.info, err = os.Lstat(t.path)
		if errors.Is(err, fs.ErrNotExist) {
			return target{path: t.path, descriptor: none}, nil
		}
		if err != nil {
			return target{}, cannot(path, err)
		}
		if t.info.Mode()&fs.ModeSymlink == 0 {
			return t, nil
		}
		if at, err = os.Readlink(t.path); err != nil {
			return target{}, cannot(path, err)
		}
		if !filepath.IsAbs(at) {
			at = real + string(filepath.Separator) + at
		}
	}
	return target{}, fmt.Errorf("%s leads through more than %d links, perhaps in a circle: name the file itself", path, maxLinks)
}

// descriptors are the folders in which Linux shows a process's descriptors as links.
// The text of such a link is no path: "pipe:[7]", or a deleted file.
var descriptors = regexp.MustCompile(`^/proc/(\d+)(/task/\d+)?/fd$`)

// ownDescriptor is what /dev/stdout and /dev/fd/3 lead to.
func ownDescriptor(path, dir, base string) (target, error) {
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return target{}, cannot(path, err)
	}
	if owner := descriptors.FindStringSubmatch(dir)[1]; owner != self {
		return target{}, fmt.Errorf("%s is a descriptor of process %s: name the file itself", path, owner)
	}
	number, err := strconv.ParseUint(base, 10, 31)
	if err != nil {
		return target{}, fmt.Errorf("%s is no descriptor's number: write, for example, /dev/fd/3", path)
	}
	return target{descriptor: int(number)}, nil
}

// folderError says what is wrong with the folder that path is to be in.
func folderError(path, dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s can't be written: folder %s does not exist: make it, or name another file", path, filepath.Clean(dir))
	}
	return cannot(path, err)
}

func cannot(path string, err error) error {
	return fmt.Errorf("%s can't be written: %w: name another file", path, cause(err))
}
