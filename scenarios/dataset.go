// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-shellwords"
)

// Dataset is what a process begins with: a command makes the data once, and each
// start begins with a copy.
type Dataset struct {
	// Process is the process that begins with the data. It has no links, and its Seed
	// is this copy's command, placeholders filled in.
	Process Process
}

// SeedFilesDir is where the files of a seed command lie in a container.
const SeedFilesDir = "/seed"

// Key is the kind, the command for people, and a digest of the command's words, of the
// files that the command finds, and of a service of what runs: equal keys are equal data.
// Words and environment may hold secrets, and a key is written down, so that both stand in
// the digest alone. A stage that knows an image by more than its name tells the datasets
// of two images apart.
func (d Dataset) Key() string {
	decides := struct {
		Seed    []string
		Files   []File   `json:",omitempty"`
		Service *Service `json:",omitempty"`
	}{Seed: d.Process.Seed, Files: withoutContent(d.Process.SeedFiles)}
	if d.Process.Service != nil {
		service := d.Process.Service.decidesData()
		decides.Service = &service
	}
	text, _ := json.Marshal(decides) // texts alone: never fails
	sum := sha256.Sum256(text)
	return fmt.Sprintf("%s %s %s", d.Process.Kind, d.Command(), hex.EncodeToString(sum[:]))
}

// decidesData is all that a service's data may depend on: the program, its environment,
// its files, and the folder of the data.
func (s Service) decidesData() Service {
	return Service{Image: s.Image, Build: s.Build, Command: s.Command, Env: s.Env, Data: s.Data, Files: withoutContent(s.Files)}
}

// withoutContent are files by their paths and the digests of what they hold.
func withoutContent(files []File) []File {
	var out []File
	for _, f := range files {
		out = append(out, File{Path: f.Path, SHA256: f.SHA256})
	}
	return out
}

// Command is the command for people, quoted where a shell needs quotes:
// "headroom seed --users 100000". No secret is in it.
func (d Dataset) Command() string { return commandText(maskedWords(d.Process.Seed)) }

// The placeholders of a seed's words: the number of the machine's copy, from 1, and
// how many copies there are.
const (
	placeholderCopy   = "copy"
	placeholderCopies = "copies"
)

// seedPlaceholder finds the placeholders, and what may be a misspelt one.
var seedPlaceholder = placeholderPattern(`[a-z_]+`)

// HoldsPart says whether the process's seed names {copy}: each copy of its machine
// has data of its own.
func (p Process) HoldsPart() bool {
	return slices.ContainsFunc(p.Seed, func(word string) bool {
		return slices.Contains(placeholderNames(seedPlaceholder, word), placeholderCopy)
	})
}

// DatasetOf is what a machine's process begins with; false: it begins with nothing, or
// as the process that it follows.
func (t Topology) DatasetOf(m Machine, p Process) (Dataset, bool) {
	if len(p.Seed) == 0 {
		return Dataset{}, false
	}
	copy, copies := t.CopyOf(m)
	p.Links, p.Seed = nil, seedOf(p.Seed, copy, copies)
	return Dataset{Process: p}, true
}

// seedOf are a seed's words for one copy.
func seedOf(words []string, copy, copies int) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = fillPlaceholders(seedPlaceholder, word, func(name string) (string, bool) {
			switch name {
			case placeholderCopy:
				return strconv.Itoa(copy), true
			case placeholderCopies:
				return strconv.Itoa(copies), true
			}
			return "", false
		})
	}
	return out
}

// Datasets are what the topology's processes begin with, each once, in start order.
func (t Topology) Datasets() []Dataset {
	var out []Dataset
	for _, at := range t.Processes() {
		d, seeded := t.DatasetOf(at.Machine, at.Process)
		same := func(other Dataset) bool { return other.Key() == d.Key() }
		if seeded && !slices.ContainsFunc(out, same) {
			out = append(out, d)
		}
	}
	return out
}

// Seeds are the seed commands of both variants for people, each once, placeholders
// as the file has them. No secret is in them.
func (s *Scenario) Seeds() []string {
	var out []string
	for _, v := range Variants() {
		for _, at := range s.Topology(v).Processes() {
			if text := commandText(maskedWords(at.Process.Seed)); text != "" && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// SharesData says whether a variant of one scenario begins with the same data as a
// variant of the other, or no variant begins with data. Not all variants have to: the
// datasets of shards differ from the dataset of the whole, although their rows may be
// the same.
func (s *Scenario) SharesData(other *Scenario) bool {
	none := true
	for _, mine := range Variants() {
		for _, theirs := range Variants() {
			a, b := s.Topology(mine).dataKeys(), other.Topology(theirs).dataKeys()
			if len(a) > 0 && slices.Equal(a, b) {
				return true
			}
			none = none && len(a) == 0 && len(b) == 0
		}
	}
	return none
}

func (t Topology) dataKeys() []string {
	var keys []string
	for _, d := range t.Datasets() {
		keys = append(keys, d.Key())
	}
	slices.Sort(keys)
	return keys
}

// plainWord is a word that a shell takes as it is. Braces are plain too: the
// placeholders are to be read as the file has them.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+{}-]+$`)

// commandText writes a command's words as a person would type them.
func commandText(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = word
		if !plainWord.MatchString(word) {
			out[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// readSeed reads the command that makes the data of a process of a kind.
func readSeed(kind Kind, n node) []string {
	if !kind.Facts.Seeds {
		n.fail("no command can make what a %s begins with: leave seed out", kind.Name)
		return nil
	}
	return n.seed()
}

// seed reads the words of a seed command.
func (n node) seed() []string {
	words := n.words("leave seed out where the data begin empty")
	if len(words) == 0 {
		return nil
	}
	if name, _, assigns := strings.Cut(words[0], "="); assigns && envName.MatchString(name) {
		n.fail("%s=... would set a variable in a shell, and no shell reads the command: write env %s=... before the program", name, name)
		return nil
	}
	checkPlaceholders(words, n)
	return words
}

// words reads a command, in words that are split as a shell splits them. No shell
// reads them. orElse is what to write where there is no command.
func (n node) words(orElse string) []string {
	faults := len(n.doc.errs)
	text := n.text()
	if len(n.doc.errs) > faults {
		return nil
	}
	switch operator := shellOperator(text); operator {
	case "":
	case "\n":
		n.fail("the command has several lines: write one line, or give the lines to a shell: sh -c '...'")
		return nil
	default:
		n.fail("%q is for a shell, and no shell reads the command: write sh -c '...' around the whole command", operator)
		return nil
	}
	parser := shellwords.NewParser()
	parser.ParseEnv, parser.ParseBacktick = false, false
	words, err := parser.Parse(text)
	if err != nil {
		n.fail("%q can't be split into words: close each quote, and end with no backslash", text)
		return nil
	}
	if len(words) == 0 || words[0] == "" {
		n.fail("the command is empty: write the program and its flags, or %s", orElse)
		return nil
	}
	return words
}

// checkPlaceholders complains about a text that looks like a placeholder and is none.
func checkPlaceholders(words []string, n node) {
	for _, word := range words {
		for _, name := range placeholderNames(seedPlaceholder, word) {
			if name != placeholderCopy && name != placeholderCopies {
				n.fail("{%s} is no placeholder of a seed: {copy} is which copy of its machine the process is on, {copies} of how many; write {{%s}} for the text {%s}", name, name, name)
			}
		}
	}
}

// shellOperator is the first thing outside of quotes that a shell would act on; ""
// where there is none. The parser of words stops at some operators without an error.
func shellOperator(text string) string {
	quote, escaped := rune(0), false
	for i, r := range text {
		switch {
		case escaped && r == '\n' && quote == 0:
			return "\n"
		case escaped:
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case strings.HasPrefix(text[i:], "$("), strings.HasPrefix(text[i:], "&&"), strings.HasPrefix(text[i:], "||"):
			return text[i : i+2]
		case strings.ContainsRune(";&|<>()`\n", r):
			return string(r)
		}
	}
	return ""
}
