// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 70
)

// forbidden lists the arrows that must not be: packages under from never
// reach, directly or through others, packages under to.
var forbidden = []struct{ from, to string }{
	{"scenarios", "targets"}, {"scenarios", "harness"}, {"scenarios", "reports"}, {"scenarios", "cmd"},
	{"targets", "harness"}, {"targets", "reports"}, {"targets", "cmd"},
	{"targets/machine", "targets/kinds"}, {"harness", "targets/kinds"}, {"harness", "targets/shop"}, {"harness", "targets/jobs"}, {"targets/machine", "targets/shop"}, // scenarios and reports know no targets at all
	{"harness", "reports"}, {"harness", "cmd"},
	{"harness/record", "targets"}, {"harness/record", "harness/drive"}, {"harness/record", "harness/stage"}, {"harness/record", "harness/observe"},
	{"harness/drive", "harness/stage"}, {"harness/drive", "harness/observe"}, {"harness/drive", "targets"},
	{"harness/stage", "harness/drive"},
	{"harness/observe", "harness/stage"}, {"harness/observe", "harness/drive"},
	{"reports", "targets"}, {"reports", "harness/stage"}, {"reports", "harness/drive"}, {"reports", "harness/observe"}, {"reports", "cmd"},
	{"targets/shop/store", "targets/shop"}, {"targets/shop/cache", "targets/shop/postgres"}, {"targets/shop/cache", "targets/shop/shards"},
	{"targets/shop/postgres", "targets/shop/cache"}, {"targets/shop/postgres", "targets/shop/shards"},
	{"targets/shop/shards", "targets/shop/cache"}, {"targets/shop/shards", "targets/shop/postgres"},
	{"targets/shop/email", "targets/shop"}, {"targets/shop/mail", "targets/shop"}, {"targets/shop/plant", "targets/shop"},
	{"internal", "scenarios"}, {"internal", "targets"}, {"internal", "harness"}, {"internal", "reports"}, {"internal", "cmd"},
}

// TestStructureArrows holds the one direction of docs/architecture.md.
func TestStructureArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Deps", "headroom/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	checked := 0
	for {
		var p struct {
			ImportPath string
			Deps       []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, rule := range forbidden {
			if !under(p.ImportPath, rule.from) {
				continue
			}
			checked++
			for _, dep := range p.Deps {
				if under(dep, rule.to) {
					t.Errorf("%s reaches %s: %s must not know %s", p.ImportPath, dep, rule.from, rule.to)
				}
			}
		}
	}
	if checked < len(forbidden) {
		t.Errorf("only %d of at least %d rules met a package: is a folder renamed?", checked, len(forbidden))
	}
}

func under(importPath, folder string) bool {
	folder = "headroom/" + folder
	return importPath == folder || strings.HasPrefix(importPath, folder+"/")
}

// TestStructureLengths keeps files and functions short enough to read.
func TestStructureLengths(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "out" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		files++
		checkLengths(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Errorf("only %d Go files found: is the root wrong?", files)
	}
}

// TestStructureLicence wants the licence on the first line of every file, where
// who copies one file finds it.
func TestStructureLicence(t *testing.T) {
	out, err := exec.Command("git", "-C", filepath.Join("..", ".."), "ls-files", "*.go").Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 20 {
		t.Errorf("only %d Go files found", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("// SPDX-License-Identifier: Apache-2.0\n\n")) {
			t.Errorf("%s: does not begin with its licence: // SPDX-License-Identifier: Apache-2.0, and an empty line", file)
		}
	}
}

func checkLengths(t *testing.T, path string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if lines := set.File(file.Pos()).LineCount(); lines > maxFileLines {
		t.Errorf("%s has %d lines, at most %d: split it", path, lines, maxFileLines)
	}
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := set.Position(function.End()).Line - set.Position(function.Pos()).Line + 1; lines > maxFunctionLines {
			t.Errorf("%s: %s has %d lines, at most %d: split it", path, function.Name.Name, lines, maxFunctionLines)
		}
	}
}
