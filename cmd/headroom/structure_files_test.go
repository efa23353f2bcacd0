// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// maxPackageFiles is how many files of a package, without its tests, a reader can keep
// apart.
const maxPackageFiles = 25

// largePackages may have more files, for a reason.
var largePackages = map[string]string{
	"cmd/headroom": "a command a file",
}

// A package that grows past a reader's reach falls into parts: find them, and give each
// a folder.
func TestStructurePackageSizes(t *testing.T) {
	files := map[string]int{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "out"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		files[filepath.ToSlash(folder)]++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d packages were found", len(files))
	}
	for folder, n := range files {
		if _, may := largePackages[folder]; n > maxPackageFiles && !may {
			t.Errorf("%s has %d files, at most %d are allowed: move what belongs together into a package of its own", folder, n, maxPackageFiles)
		}
	}
	for folder, why := range largePackages {
		if files[folder] <= maxPackageFiles {
			t.Errorf("%s has %d files: it needs no exception (%s)", folder, files[folder], why)
		}
	}
}
