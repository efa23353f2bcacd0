// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"headroom/targets/kinds"
)

// ownKinds are the packages of our own programs, and the kinds whose settings they
// read.
var ownKinds = map[string][]string{
	"targets/gateway":     {"gateway"},
	"targets/jobs/worker": {"worker"},
	"targets/link":        {"link"},
	"targets/shop":        {"shop"},
	"targets/shop/mail":   {"mail"},
}

// knowServers are the folders of the example application and of the machines' image:
// they know by name the servers that they talk to and install.
var knowServers = []string{"targets/gateway", "targets/image", "targets/jobs", "targets/shop", "targets/valkeypool"}

// noKinds are literals that are the name of a kind, and mean something else.
var noKinds = []struct{ file, literal, means string }{
	{"cmd/headroom/inside.go", "gateway", "the command that runs our own program"},
	{"cmd/headroom/inside.go", "link", "the command that runs our own program"},
	{"cmd/headroom/inside.go", "mail", "the command that runs our own program"},
	{"cmd/headroom/inside.go", "shop", "the command that runs our own program"},
	{"cmd/headroom/inside.go", "worker", "the command that runs our own program"},
	{"cmd/headroom/drive_summary.go", "service", "the time that an answer takes"},
	{"harness/drive/http2/table.go", "link", "the header of HTTP"},
	{"harness/record/hdrlog.go", "service", "the time that an answer takes"},
	{"harness/stage/docker/testdata/fakemachine/main.go", "service", "the command that runs a program of the tests"},
	{"scenarios/kind.go", "mail", "the role"},
	{"targets/jobs/jobs.go", "mail", "the kind of job"},
	{"targets/jobs/worker/worker.go", "worker", "the name of a connection to the queue"},
	{"targets/shop/shop.go", "shop", "the name of a connection to the queue"},
}

// helpTexts are files whose help names programs for people, as examples. A further
// kind need not be among them.
var helpTexts = []string{
	"cmd/headroom/plan.go", // which machines hold data
	"cmd/headroom/run.go",  // what to install for the process stage
}

// A kind is a folder: who adds or alters a kind touches nothing else. So no other
// file asks for a kind by its name, and none but the command knows the list.
func TestStructureKinds(t *testing.T) {
	names, programs := kindWords(t)
	met := make([]bool, len(noKinds))
	for file, tree := range sources(t) {
		checkKindImports(t, file, tree)
		if inside(file, "targets/kinds") {
			continue
		}
		for _, literal := range literals(t, tree) {
			at := slices.IndexFunc(noKinds, func(n struct{ file, literal, means string }) bool { return n.file == file && n.literal == literal })
			switch {
			case at >= 0:
				met[at] = true
			case slices.Contains(names, literal):
				t.Errorf("%s: %q is the name of a kind: ask for a fact, a protocol, a meaning, a role or a setting", file, literal)
			case programs.MatchString(literal) && !mayNamePrograms(file):
				t.Errorf("%s: %q names the program of a kind: take the label from the process's facts", file, literal)
			}
		}
	}
	for i, n := range noKinds {
		if !met[i] {
			t.Errorf("%s does not hold %q any more, %s: take the line out of noKinds", n.file, n.literal, n.means)
		}
	}
}

func mayNamePrograms(file string) bool {
	return slices.Contains(helpTexts, file) || slices.ContainsFunc(knowServers, func(folder string) bool { return inside(file, folder) })
}

// The rule itself finds what it is for.
func TestStructureKindsFindsThem(t *testing.T) {
	const source = "package p\n\nimport _ \"shop\"\n\ntype s struct {\n\tF int `nats`\n}\n\nvar a, b, c = \"varnish\", `no connection to NATS at all`, f(\"GNATS\", \"a shop\")\n"
	tree, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := literals(t, tree), []string{"varnish", "no connection to NATS at all", "GNATS", "a shop"}; !slices.Equal(got, want) {
		t.Errorf("the literals are %q, want %q", got, want)
	}
	names, programs := kindWords(t)
	if !slices.Contains(names, "varnish") || !programs.MatchString("no connection to NATS at all") || programs.MatchString("GNATS") || programs.MatchString("the shop") {
		t.Errorf("the names are %q, the programs %s", names, programs)
	}
	for _, test := range []struct {
		importer, kind string
		want           bool
	}{
		{"cmd/headroom", "", true}, {"cmd/headroom/selftest", "postgres", true}, {"cmd/bench-truth", "", true},
		{"harness", "", false}, {"reports/compare", "postgres", false}, {"scenarios", "", false}, {"targets/machine", "shop", false}, {"targets/kindsof", "shop", false},
		{"targets/shop", "shop", true}, {"targets/shop", "mail", false}, {"targets/shop/mail", "mail", true}, {"targets/shop/postgres", "postgres", false}, {"targets/shop", "", false}, {"targets/shop/dataset", "shop", false},
		{"targets/jobs/worker", "worker", true}, {"targets/jobs", "worker", false},
		{"targets/kinds", "postgres", true}, {"targets/kinds/postgres", "postgres", true}, {"targets/kinds/postgres", "valkey", false}, {"targets/kinds/postgres", "", false},
	} {
		if got := mayImportKind(test.importer, test.kind); got != test.want {
			t.Errorf("%s may import the kind %q: %v", test.importer, test.kind, got)
		}
	}
}

// kindWords are the names of all kinds, and what finds a label that is a proper name:
// that of a program which is not ours.
func kindWords(t *testing.T) (names []string, programs *regexp.Regexp) {
	t.Helper()
	var labels []string
	for _, k := range kinds.Data() {
		names = append(names, string(k.Name))
		if k.Facts.Server != nil {
			labels = append(labels, regexp.QuoteMeta(k.Facts.Label))
		}
	}
	if len(labels) == 0 || len(labels) == len(names) {
		t.Fatalf("%d of %d kinds run a program that is not ours", len(labels), len(names))
	}
	return names, regexp.MustCompile(`\b(` + strings.Join(labels, "|") + `)\b`)
}

// sources are the Go files that are no tests, by their paths from the root. The
// benches compare headroom with other programs, and may name what they like.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	root, trees := filepath.Join("..", ".."), map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "out" || entry.Name() == ".git" || strings.HasPrefix(entry.Name(), "bench-")) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		trees[filepath.ToSlash(file)] = tree
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(trees) < 20 {
		t.Errorf("only %d Go files found: is the root wrong?", len(trees))
	}
	return trees
}

// literals are the strings of a file, but for import paths and the tags of fields.
func literals(t *testing.T, tree *ast.File) []string {
	t.Helper()
	tags := map[*ast.BasicLit]bool{}
	var out []string
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			if n.Tag != nil {
				tags[n.Tag] = true
			}
		case *ast.BasicLit:
			if n.Kind != token.STRING || tags[n] {
				return true
			}
			text, err := strconv.Unquote(n.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	return out
}

func checkKindImports(t *testing.T, file string, tree *ast.File) {
	t.Helper()
	for _, spec := range tree.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		if !under(imported, "targets/kinds") {
			continue
		}
		kind, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(imported, "headroom/targets/kinds"), "/"), "/")
		if folder := filepath.ToSlash(filepath.Dir(file)); !mayImportKind(folder, kind) {
			t.Errorf("%s imports %s: what it needs of a process stands in the process's facts", file, imported)
		}
	}
}

// mayImportKind says whether a package may import a kind; "" is the list of them.
func mayImportKind(importer, kind string) bool {
	switch {
	case inside(importer, "cmd"):
		return true
	case importer == "targets/kinds":
		return kind != ""
	case inside(importer, "targets/kinds"):
		return kind != "" && inside(importer, "targets/kinds/"+kind) // its own parts
	}
	return slices.Contains(ownKinds[importer], kind)
}

// inside says whether a file or a folder is a folder or stands below it.
func inside(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
