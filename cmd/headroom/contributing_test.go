// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	walksFile = "CONTRIBUTING.md"
	// inWalk is set for the commands of a walk: one that tests this package does not
	// walk again.
	inWalk           = "HEADROOM_IN_WALK"
	walkCommandLimit = 5 * time.Minute // for each block: a first build of all, on a small computer
	walkTailBytes    = 4000            // of what a command said, for the error
)

// What is done with a block of a walk.
const (
	walkRun     = "run"
	walkNew     = "new"
	walkBefore  = "before"
	walkBehind  = "behind"
	walkReplace = "in place of"
)

// walk is a section of CONTRIBUTING.md that begins with "## Add".
type walk struct {
	title  string
	line   int
	blocks []walkBlock
}

// walkBlock is a step of a walk.
type walkBlock struct {
	line  int    // of its opening fence in CONTRIBUTING.md
	how   string // one of walkRun, walkNew, walkBefore, walkBehind, walkReplace
	file  string // by its path from the top folder; "" of commands
	words string // of the line that the block goes before, behind or in place of
	text  string
}

// walkPlace is how the line above a block says where the block goes.
var walkPlace = regexp.MustCompile("`([^`]+)`, (?:new|(before|behind|in place of) `([^`]+)`):$")

// readWalks takes the walks out of a page. A block outside of walks is left alone.
func readWalks(page string) ([]walk, error) {
	var walks []walk
	lines := strings.Split(page, "\n")
	above, inside := "", false
	for i := 0; i < len(lines); i++ {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "## "):
			title := strings.TrimPrefix(line, "## ")
			above, inside = "", strings.HasPrefix(title, "Add ")
			if inside {
				walks = append(walks, walk{title: title, line: i + 1})
			}
		case strings.HasPrefix(line, "```"):
			length := slices.Index(lines[i+1:], "```")
			if length < 0 {
				return nil, fmt.Errorf("%s:%d: the block has no end: close it by ``` at the beginning of a line", walksFile, i+1)
			}
			language := strings.TrimPrefix(line, "```")
			if inside && language != "text" {
				b, err := readWalkBlock(above, language)
				if err != nil {
					return nil, fmt.Errorf("%s:%d: %w", walksFile, i+1, err)
				}
				b.line, b.text = i+1, strings.Join(lines[i+1:i+1+length], "\n")+"\n"
				w := &walks[len(walks)-1]
				w.blocks = append(w.blocks, b)
			}
			above = ""
			i += length + 1
		case line != "":
			above = line
		}
	}
	return walks, nil
}

// readWalkBlock says what is done with a block, by the line above it.
func readWalkBlock(above, language string) (walkBlock, error) {
	if language == "sh" {
		return walkBlock{how: walkRun}, nil
	}
	place := walkPlace.FindStringSubmatch(above)
	if place == nil {
		return walkBlock{}, errors.New("the block does not say where it goes: end the line above it with \"`FILE`, new:\" or \"in `FILE`, behind `WORDS`:\" (or before, in place of), or make it a block of text")
	}
	if place[2] == "" {
		return walkBlock{how: walkNew, file: place[1]}, nil
	}
	return walkBlock{how: place[2], file: place[1], words: place[3]}, nil
}

// take does with the block what the page says, in a copy of the module.
func (b walkBlock) take(ctx context.Context, dir string) error {
	if b.how == walkRun {
		return runInWalk(ctx, dir, b.text)
	}
	if !filepath.IsLocal(b.file) {
		return fmt.Errorf("%s is not below the top folder: write the path from there", b.file)
	}
	file := filepath.Join(dir, filepath.FromSlash(b.file))
	old, err := os.ReadFile(file)
	switch {
	case b.how == walkNew && err == nil:
		return fmt.Errorf("%s is there already, and no new file: take another name, or say where in the file the block goes", b.file)
	case b.how == walkNew && errors.Is(err, fs.ErrNotExist):
		err = os.MkdirAll(filepath.Dir(file), 0o750)
	}
	if err != nil {
		return err
	}
	text := b.text
	if b.how != walkNew {
		if text, err = b.edit(string(old)); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

// edit puts the block into a file's text.
func (b walkBlock) edit(old string) (string, error) {
	lines := strings.SplitAfter(old, "\n")
	at, found := 0, 0
	for i, line := range lines {
		if strings.Contains(line, b.words) {
			at = i
			found++
		}
	}
	if found != 1 {
		return "", fmt.Errorf("%s: %d lines hold `%s`, want one: write words that the line alone has", b.file, found, b.words)
	}
	from, till := at, at+1
	switch b.how {
	case walkBefore:
		till = at
	case walkBehind:
		from = at + 1
	}
	return strings.Join(lines[:from], "") + b.text + strings.Join(lines[till:], ""), nil
}

// runInWalk runs commands in a copy of the module. They reach no Docker engine. Paths
// are trimmed, so that all copies share the build cache.
func runInWalk(ctx context.Context, dir, commands string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, walkCommandLimit, fmt.Errorf("not done after %s", walkCommandLimit))
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-c", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), inWalk+"=1", "CI=", "CGO_ENABLED=0", "DOCKER_HOST=unix:///nonexistent/docker.sock",
		"GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath"))
	// What the commands started ends with them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if late := context.Cause(ctx); late != nil {
		err = late
	}
	return fmt.Errorf("%w:\n%s", err, said[max(0, len(said)-walkTailBytes):])
}

// walksOfPage are the walks of CONTRIBUTING.md, and the page.
func walksOfPage(t *testing.T) (walks []walk, page string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", walksFile))
	if err != nil {
		t.Fatal(err)
	}
	walks, err = readWalks(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return walks, string(text)
}

// Who follows CONTRIBUTING.md from a clean checkout gets to something that builds and
// runs. Each walk has a copy of its own.
func TestContributingWalks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds headroom several times: skipped by -short")
	}
	if os.Getenv(inWalk) != "" {
		t.Skip("runs within a walk: a walk that followed the walks would never end")
	}
	walks, _ := walksOfPage(t)
	for _, w := range walks {
		t.Run(w.title, func(t *testing.T) { follow(t, w) })
	}
}

// follow takes the blocks of a walk, one after the other, and vets the packages that
// they touched.
func follow(t *testing.T, w walk) {
	dir := copyModule(t)
	var files, folders []string
	for _, b := range w.blocks {
		if err := b.take(t.Context(), dir); err != nil {
			t.Fatalf("%s:%d: %s: %v", walksFile, b.line, w.title, err)
		}
		if strings.HasSuffix(b.file, ".go") {
			files, folders = append(files, b.file), append(folders, "./"+path.Dir(b.file))
		}
	}
	if len(files) == 0 {
		return
	}
	slices.Sort(folders)
	vet := "go vet " + strings.Join(slices.Compact(folders), " ")
	if err := runInWalk(t.Context(), dir, vet); err != nil {
		t.Errorf("%s:%d: %s: %s behind the last block: %v", walksFile, w.line, w.title, vet, err)
	}
	slices.Sort(files)
	gofmt := "changed=$(gofmt -l " + strings.Join(slices.Compact(files), " ") + "); echo \"$changed\"; test -z \"$changed\""
	if err := runInWalk(t.Context(), dir, gofmt); err != nil {
		t.Errorf("%s:%d: %s: gofmt would change what the blocks made: %v", walksFile, w.line, w.title, err)
	}
}

// copyModule copies the files that git knows or would add.
func copyModule(t *testing.T) string {
	t.Helper()
	root, dir := filepath.Join("..", ".."), t.TempDir()
	list := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	out, err := list.Output()
	if err != nil {
		t.Skipf("git knows which files are the project's, and this is no git checkout: %v", err)
	}
	copied := 0
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		from, to := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // taken away, and that is not committed yet; or a checkout in the checkout
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
		copied++
	}
	if copied < 100 {
		t.Fatalf("only %d files were copied: is the root wrong?", copied)
	}
	return dir
}

var (
	// namedFile finds paths of the module in a page: in backticks, and what links lead
	// to.
	namedFile = regexp.MustCompile("`((?:\\.ci|cmd|docs|examples|harness|internal|reports|scenarios|targets)/[\\w./-]*)`|\\]\\(([^)#:]+)[)#]")
	theWalks  = []string{"Add a scenario", "Add a kind of process", "Add a metric", "Add an oracle", "Add a stage"}
)

// Each walk is there and does something, and the files that the page names are real,
// or made by a walk.
func TestContributingNamesRealFiles(t *testing.T) {
	walks, page := walksOfPage(t)
	var titles, made []string
	for _, w := range walks {
		titles = append(titles, w.title)
		if len(w.blocks) == 0 {
			t.Errorf("%s:%d: %s: the walk has no block that is taken: show the files", walksFile, w.line, w.title)
		}
		for _, b := range w.blocks {
			if b.how == walkNew {
				made = append(made, b.file)
			}
		}
	}
	if !slices.Equal(titles, theWalks) {
		t.Errorf("%s: the walks are %q, want %q", walksFile, titles, theWalks)
	}
	named := namedFile.FindAllStringSubmatch(page, -1)
	if len(named) < 10 {
		t.Errorf("%s: only %d files are named", walksFile, len(named))
	}
	for _, match := range named {
		name := match[1] + match[2] // one of them is empty
		isMade := slices.ContainsFunc(made, func(file string) bool { return inside(file, strings.TrimSuffix(name, "/")) })
		if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(name))); err != nil && !isMade {
			t.Errorf("%s: it names %s: %v", walksFile, name, err)
		}
	}
}

// A page's walks are its sections "Add ...", and a block that does not say where it
// goes is a mistake with its line.
func TestWalksAreRead(t *testing.T) {
	const page = "# Page\n\n```go\noutside\n```\n\n## Add one\n\nWords, in `a/new.go`, new:\n\n```go\npackage a\n\n## no title\n```\n\n" +
		"The `import`, in `a/b.go`, behind `\"x\"`:\n\n```go\n\t\"y\"\n```\n\n```sh\ntrue\n```\n```text\nfor people\n```\n\n## Another\n\n```sh\nfalse\n```\n\n## Add two\n"
	walks, err := readWalks(page)
	if err != nil || len(walks) != 2 || walks[0].title != "Add one" || walks[0].line != 7 || walks[1].title != "Add two" || len(walks[1].blocks) != 0 {
		t.Fatalf("the walks are %+v, %v", walks, err)
	}
	want := []walkBlock{
		{line: 11, how: walkNew, file: "a/new.go", text: "package a\n\n## no title\n"},
		{line: 19, how: walkBehind, file: "a/b.go", words: `"x"`, text: "\t\"y\"\n"},
		{line: 23, how: walkRun, text: "true\n"},
	}
	if !slices.Equal(walks[0].blocks, want) {
		t.Errorf("the blocks are %+v, want %+v", walks[0].blocks, want)
	}
	for page, want := range map[string]string{
		"## Add one\n\nIn `a.go`, somewhere:\n\n```go\nx\n```\n":      "CONTRIBUTING.md:5: the block does not say where it goes",
		"## Add one\n\nIn `a.go`, new:\n```go\nx\n```\n```go\ny\n```": "CONTRIBUTING.md:7: the block does not say where it goes",
		"## Add one\n\n```sh\ntrue\n":                                 "CONTRIBUTING.md:3: the block has no end",
	} {
		if walks, err := readWalks(page); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q gives %+v, %v; want %s", page, walks, err, want)
		}
	}
}

func TestWalkBlocksAreTaken(t *testing.T) {
	const old, text = "one 1\ntwo\none 2\n", "x\n"
	for _, test := range []struct {
		block walkBlock
		want  string // what the file holds then
		wrong string // how the error begins
	}{
		{walkBlock{how: walkNew, file: "new/file"}, text, ""},
		{walkBlock{how: walkNew, file: "old"}, old, "old is there already"},
		{walkBlock{how: walkNew, file: "../file"}, "", "../file is not below the top folder"},
		{walkBlock{how: walkBefore, file: "old", words: "two"}, "one 1\nx\ntwo\none 2\n", ""},
		{walkBlock{how: walkBehind, file: "old", words: "e 2"}, "one 1\ntwo\none 2\nx\n", ""},
		{walkBlock{how: walkReplace, file: "old", words: "one 1"}, "x\ntwo\none 2\n", ""},
		{walkBlock{how: walkReplace, file: "old", words: "one"}, old, "old: 2 lines hold `one`, want one"},
		{walkBlock{how: walkBehind, file: "old", words: "three"}, old, "old: 0 lines hold `three`, want one"},
		{walkBlock{how: walkBehind, file: "none", words: "one"}, "", "open "},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "old"), []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		test.block.text = text
		err := test.block.take(t.Context(), dir)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), test.wrong) {
			t.Errorf("%+v: %v, want %q", test.block, err, test.wrong)
		}
		if test.want == "" {
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, test.block.file))
		if err != nil || string(got) != test.want {
			t.Errorf("%+v leaves %q, %v; want %q", test.block, got, err, test.want)
		}
	}
}

// Commands run in the copy, the first that fails ends them, and the error has what
// they said.
func TestWalkCommandsEndAtTheFirstThatFails(t *testing.T) {
	dir := t.TempDir()
	err := walkBlock{how: walkRun, text: "echo said >file\ncat file >&2\nfalse\ntouch behind\n"}.take(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.HasSuffix(err.Error(), "\nsaid\n") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "behind")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a command behind the one that failed ran: %v", err)
	}
	if err := runInWalk(t.Context(), dir, "test -s file\ntest \"$"+inWalk+"\" = 1\n"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runInWalk(ctx, dir, "true\n"); !errors.Is(err, context.Canceled) {
		t.Errorf("called off, the error is %v", err)
	}
}
