// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// phase3Seed is the seed in phase 3's file, with its key.
const phase3Seed = `seed: "headroom seed --users 100000 --posts 500000 --orders 1000000 --terms 10000"`

// seeded is phase 3's after with another seed, as YAML has it.
func seeded(t *testing.T, seed string) ([]byte, *scenarios.Scenario, error) {
	t.Helper()
	data := edit(t, phase3Seed, "seed: "+seed)
	s, err := scenarios.Parse("mine.yaml", data, kinds.Data())
	return data, s, err
}

// A seed is split as a shell splits it, and what stands in quotes is left alone.
func TestSeedWords(t *testing.T) {
	for _, test := range []struct {
		yaml    string
		want    []string
		command string
	}{
		{`headroom seed --users 1_000`, []string{"headroom", "seed", "--users", "1_000"}, "headroom seed --users 1_000"},
		{`"a  b\tc"`, []string{"a", "b", "c"}, "a b c"},
		{`"sh -c 'make && load < rows.sql | tee log; true'"`, []string{"sh", "-c", "make && load < rows.sql | tee log; true"}, "sh -c 'make && load < rows.sql | tee log; true'"},
		{`'a "it''s" ''a "b"'''`, []string{"a", "it's", `a "b"`}, `a 'it'\''s' 'a "b"'`},
		{`'a\ b c'`, []string{"a b", "c"}, "'a b' c"},
		{`'a \; b'`, []string{"a", ";", "b"}, "a ';' b"},
		{`'a "" b'`, []string{"a", "", "b"}, "a '' b"},
		{`'a ''$(date)'' "$(date)" $HOME'`, []string{"a", "$(date)", "$(date)", "$HOME"}, "a '$(date)' '$(date)' '$HOME'"},
		{`'load ''{"rows":1}'' {copy}/{copies}'`, []string{"load", `{"rows":1}`, "{copy}/{copies}"}, `load '{"rows":1}' {copy}/{copies}`},
		{`"a '{{copy}} {{user}}' {{{name}}} ./a=b"`, []string{"a", "{{copy}} {{user}}", "{{{name}}}", "./a=b"}, "a '{{copy}} {{user}}' {{{name}}} ./a=b"},
		{`"./a=b {copy}"`, []string{"./a=b", "{copy}"}, "./a=b {copy}"},
		{`"sh -c 'psql ${dbname} {copy}'"`, []string{"sh", "-c", "psql ${dbname} {copy}"}, "sh -c 'psql ${dbname} {copy}'"},
		{"|\n            sh -c 'first\n            second'", []string{"sh", "-c", "first\nsecond"}, "sh -c 'first\nsecond'"},
	} {
		data := edit(t, " {size: large, processes: {postgres: {"+phase3Seed+"}}}", "\n      size: large\n      processes:\n        postgres:\n          seed: "+test.yaml)
		s, err := scenarios.Parse("mine.yaml", data, kinds.Data())
		if err != nil {
			t.Errorf("%s: %v", test.yaml, err)
			continue
		}
		_, p := find(t, s.After, "database/postgres")
		if !slices.Equal(p.Seed, test.want) {
			t.Errorf("%s is %q, want %q", test.yaml, p.Seed, test.want)
		}
		if got := s.Seeds(); !slices.Equal(got, []string{test.command}) {
			t.Errorf("%s is told as %q, want %q", test.yaml, got, test.command)
		}
	}
}

// What would do something else than its author means is refused at its line, with the
// remedy.
func TestSeedsThatAreRefused(t *testing.T) {
	const shell = "write sh -c '...' around the whole command"
	for _, test := range []struct{ yaml, want string }{
		{`""`, "the command is empty: write the program and its flags, or leave seed out where the data begin empty"},
		{`"   "`, "the command is empty"},
		{`"'' seed"`, "the command is empty"},
		{`[headroom, seed]`, "must be a single value"},
		{`"headroom 'seed"`, "close each quote"},
		{`'headroom "seed'`, "close each quote"},
		{`'headroom seed \'`, "end with no backslash"},
		{`"a; b"`, `";" is for a shell`}, {`"a;b"`, shell}, {`"a && b"`, `"&&" is for a shell`}, {`"a & b"`, `"&" is for a shell`},
		{`"a || b"`, `"||" is for a shell`}, {`"a | b"`, `"|" is for a shell`}, {`"a > b"`, `">" is for a shell`}, {`"a 2> b"`, shell}, {`"a < b"`, `"<" is for a shell`},
		{"\"a `b`\"", "\"`\" is for a shell"}, {`"a $(b)"`, `"$(" is for a shell`}, {`"(a)"`, `"(" is for a shell`}, {`"sh -c 'a' && b"`, shell},
		{`'a "b" > c'`, shell}, {`"a 'it' ; b"`, shell},
		{`"a\nb"`, "the command has several lines"}, {`"a \\\nb"`, "the command has several lines"},
		{`"a {copys}"`, "{copys} is no placeholder of a seed: {copy} is which copy of its machine the process is on, {copies} of how many"},
		{`"a --x={copy}{shard}"`, "{shard} is no placeholder"},
		{`"sh -c 'a {user}'"`, "{user} is no placeholder"},
		{`"a {{copy}} {user}"`, "write {{user}} for the text {user}"},
		{`"PGUSER=app psql -f a.sql"`, "PGUSER=... would set a variable in a shell, and no shell reads the command: write env PGUSER=... before the program"},
		{`"_a1="`, "write env _a1=... before the program"},
	} {
		data, _, err := seeded(t, test.yaml)
		checkRefused(t, test.yaml, err, lineOf(t, data, "seed: "), test.want)
	}
}

// checkRefused wants a complaint at a line.
func checkRefused(t *testing.T, name string, err error, line int, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: was accepted", name)
		return
	}
	at := fmt.Sprintf("mine.yaml:%d: ", line)
	said := func(text string) bool { return strings.HasPrefix(text, at) && strings.Contains(text, want) }
	if !slices.ContainsFunc(strings.Split(err.Error(), "\n"), said) {
		t.Errorf("%s: %v, want %s... %q", name, err, at, want)
	}
}

// Who may have a seed, and where the sizes of data no longer stand.
func TestSeedsInTheWrongPlace(t *testing.T) {
	const database, cache = "database: &database {size", "valkey: {maxmemory: 256MB}"
	for _, test := range []struct{ name, old, new, at, want string }{
		{"of a kind that keeps nothing to seed", cache, `valkey: {maxmemory: 256MB, seed: "fill it"}`, "fill it", "no command can make what a valkey begins with: leave seed out"},
		{"of a standby", "    cache: {size: small", "    standby: {size: small, processes: {postgres: {primary: database/postgres, seed: \"a b\"}}}\n    cache: {size: small", "standby:",
			"a standby begins as its primary: leave out seed, or primary"},
		{"of copies that are parts", database, "database: &database {copies: 2, size", "shop: {database: database/postgres, mail",
			`"database/postgres" stands for 2 processes that each begin with all of the data: name {copy} in their seed`},
		{"a misspelt key", "postgres: {seed: ", "postgres: {sead: ", "sead: ", `unknown key "sead" of a postgres; did you mean "seed"?`},
		{"a dataset", "\nslo:", "\ndataset: {users: 1}\nslo:", "dataset: {users", "a seed command makes the data: write seed: in the process that keeps them"},
		{"a dataset, and counts", "\nslo:", "\ndataset: {users: 1}\nslo:", "dataset: {users", "and `of N` in load.keys"},
		{"keys without a count", "user: zipf(0.99) of 100000", "user: zipf(0.99)", "  keys:", "how many \"user\" keys there are is not known: write `zipf(0.99) of 1000`"},
		{"terms without a count", "term: zipf(0.99) of 10000", "term: uniform", "  keys:", "write `uniform of 1000`"},
	} {
		data := edit(t, test.old, test.new)
		_, err := scenarios.Parse("mine.yaml", data, kinds.Data())
		checkRefused(t, test.name, err, lineOf(t, data, test.at), test.want)
	}
	parts := strings.Replace(string(edit(t, database, "database: &database {copies: 2, size")), "--terms 10000", "--shard {copy} --shards {copies}", 1)
	if _, err := scenarios.Parse("mine.yaml", []byte(parts), kinds.Data()); err != nil {
		t.Errorf("parts: %v", err)
	}
	empty := edit(t, database, "database: &database {copies: 2, size")
	empty = []byte(strings.Replace(string(empty), "{"+phase3Seed+"}", "", 1))
	if _, err := scenarios.Parse("mine.yaml", empty, kinds.Data()); err != nil {
		t.Errorf("two that begin empty: %v", err)
	}
}

// seededMachines are copies of a machine with a database that has a seed.
func seededMachines(t *testing.T, group string, copies int, seed ...string) []scenarios.Machine {
	t.Helper()
	var out []scenarios.Machine
	for i := 1; i <= copies; i++ {
		p := processOf(t, "postgres", "db", scenarios.Link{Role: scenarios.RoleCache, To: []string{"cache/valkey"}})
		p.Seed = seed
		out = append(out, scenarios.Machine{Name: fmt.Sprintf("%s-%d", group, i), Group: group, Processes: []scenarios.Process{p}})
	}
	return out
}

// Each copy's command has its own number; a copy that names none has the data of all.
func TestDatasetsOfCopies(t *testing.T) {
	topology := scenarios.Topology{Machines: slices.Concat(
		seededMachines(t, "whole", 2, "make", "all of it"),
		seededMachines(t, "part", 2, "make", "--part={copy}/{copies}", "${copy}", "{copy}{copy}"),
		seededMachines(t, "count", 2, "make", "{copies}"),
		seededMachines(t, "text", 2, "make", "{{copy}}", "${{copies}}", "{{other}}"),
		seededMachines(t, "empty", 1),
	)}
	var commands, keys []string
	for _, d := range topology.Datasets() {
		commands, keys = append(commands, d.Command()), append(keys, d.Key())
		if d.Process.Links != nil || d.Process.Kind != "postgres" || d.Process.Name != "db" {
			t.Errorf("%s is the data of %+v", d.Key(), d.Process)
		}
	}
	if want := []string{"make 'all of it'", "make --part=1/2 '${copy}' 11", "make --part=2/2 '${copy}' 22", "make 2", "make {copy} '${copies}' {other}"}; !slices.Equal(commands, want) {
		t.Errorf("the commands are %q, want %q", commands, want)
	}
	if want := "postgres make 'all of it' "; len(keys) == 0 || !strings.HasPrefix(keys[0], want) || len(keys[0]) != len(want)+64 {
		t.Errorf("the keys are %q, want %s and a digest first", keys, want)
	}
	if got := addressesOf(topology.ShardDatabases()); got != "part-1/db part-2/db" {
		t.Errorf("those with a part are %s", got)
	}
	for i, want := range []bool{true, true, true, true, true, true, true, true, false} {
		m := topology.Machines[i]
		d, begins := topology.DatasetOf(m, m.Processes[0])
		if begins != want || (len(d.Process.Seed) > 0) != want {
			t.Errorf("%s begins with %+v: %t; want %t", m.Name, d, begins, want)
		}
	}
	if text := topology.Machines[2].Processes[0].Seed[1]; text != "--part={copy}/{copies}" {
		t.Errorf("asking has changed the topology's own seed to %s", text)
	}
}

// Words are no text: what a space parts is another command, and so is another kind.
func TestKeysTellDatasetsApart(t *testing.T) {
	of := func(kind scenarios.KindName, seed ...string) scenarios.Dataset {
		return scenarios.Dataset{Process: scenarios.Process{Kind: kind, Seed: seed}}
	}
	seen := map[string]bool{}
	for _, d := range []scenarios.Dataset{of("a", "b c"), of("a", "b", "c"), of("a", `b" "c`), of("b", "b c"), of("a", "b")} {
		if seen[d.Key()] {
			t.Errorf("%s is the key of two", d.Key())
		}
		seen[d.Key()] = true
	}
	if !seen[of("a", "b", "c").Key()] {
		t.Error("the same words have another key")
	}
}

// A key stands in files and in errors: no secret of the command is in it, and another
// secret makes other data nevertheless.
func TestKeyHoldsNoSecret(t *testing.T) {
	seen := map[string]bool{}
	for _, password := range []string{"s3cret", "0ther"} {
		d := scenarios.Dataset{Process: scenarios.Process{Kind: "a", Seed: []string{"load", "--password", password, "postgres://app:" + password + "@db/app"}}}
		if strings.Contains(d.Key(), password) {
			t.Errorf("the key is %s", d.Key())
		}
		seen[d.Key()] = true
	}
	if len(seen) != 2 {
		t.Errorf("two passwords have the keys %v", seen)
	}
}

// One variant of each that begins alike is enough: what shards begin with are parts.
func TestSharesData(t *testing.T) {
	topology := func(machines ...[]scenarios.Machine) scenarios.Topology {
		return scenarios.Topology{Machines: slices.Concat(machines...)}
	}
	whole, two := topology(seededMachines(t, "a", 1, "all")), topology(seededMachines(t, "a", 2, "part {copy}"), seededMachines(t, "b", 1, "more"))
	other := topology(seededMachines(t, "b", 1, "more"))
	for _, test := range []struct {
		name string
		a, b [2]scenarios.Topology
		want bool
	}{
		{"the same", [2]scenarios.Topology{whole, whole}, [2]scenarios.Topology{whole, whole}, true},
		{"shards in one", [2]scenarios.Topology{whole, whole}, [2]scenarios.Topology{two, whole}, true},
		{"a part of it alone", [2]scenarios.Topology{two, two}, [2]scenarios.Topology{other, other}, false},
		{"others", [2]scenarios.Topology{whole, whole}, [2]scenarios.Topology{two, other}, false},
		{"none", [2]scenarios.Topology{}, [2]scenarios.Topology{}, true},
		{"one variant of each has none", [2]scenarios.Topology{{}, whole}, [2]scenarios.Topology{{}, other}, false},
		{"one variant of each has none, the others are alike", [2]scenarios.Topology{{}, whole}, [2]scenarios.Topology{{}, whole}, true},
		{"none in one", [2]scenarios.Topology{}, [2]scenarios.Topology{whole, whole}, false},
	} {
		a, b := &scenarios.Scenario{Before: test.a[0], After: test.a[1]}, &scenarios.Scenario{Before: test.b[0], After: test.b[1]}
		if a.SharesData(b) != test.want || b.SharesData(a) != test.want {
			t.Errorf("%s: %t and %t, want %t", test.name, a.SharesData(b), b.SharesData(a), test.want)
		}
	}
}

// Both variants' commands, each once, as the file has them.
func TestSeedsOfAScenario(t *testing.T) {
	for name, want := range map[string][]string{
		"phase1": {"headroom seed --users 100000 --posts 500000 --orders 1000000"},
		"phase3": {"headroom seed --users 100000 --posts 500000 --orders 1000000 --terms 10000"},
		"final": {"headroom seed --users 100000 --posts 500000 --orders 1000000",
			"headroom seed --users 100000 --posts 500000 --orders 1000000 --shard {copy} --shards {copies}"},
	} {
		if got := loaded(t, name).Seeds(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := (&scenarios.Scenario{}).Seeds(); got != nil {
		t.Errorf("without machines: %q", got)
	}
}
