package machine

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
)

var cgroup1Files = map[string]string{
	"cpuacct/cpuacct.usage":        "1500000000\n",
	"cpu/cpu.stat":                 "nr_periods 200\nnr_throttled 50\nthrottled_time 2500000000\n",
	"memory/memory.usage_in_bytes": "1000000\n",
	"memory/memory.stat":           "cache 5\ninactive_file 1\ntotal_inactive_file 400000\n",
	"memory/memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}

var cgroup2Files = map[string]string{
	"cgroup.controllers": "cpu memory\n",
	"cpu.stat":           "usage_usec 1500000\nuser_usec 1\nnr_periods 200\nnr_throttled 50\nthrottled_usec 2500000\n",
	"memory.current":     "1000000\n",
	"memory.stat":        "anon 5\ninactive_file 400000\n",
	"memory.events":      "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n",
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadCgroup(t *testing.T) {
	want := spec.Counters{
		CPUSecondsTotal: 1.5, ThrottledSTotal: 2.5, PeriodsTotal: 200, ThrottledPeriods: 50,
		MemoryBytes: 600000, OOMKillsTotal: 2,
	}
	for name, files := range map[string]map[string]string{"version 1": cgroup1Files, "version 2": cgroup2Files} {
		t.Run(name, func(t *testing.T) {
			var got spec.Counters
			if err := readCgroup(writeTree(t, files), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Each file that is missing, and each that lacks its key, must be named.
func TestReadCgroupNamesWhatIsMissing(t *testing.T) {
	for _, files := range []map[string]string{cgroup1Files, cgroup2Files} {
		for broken := range files {
			if broken == "cgroup.controllers" {
				continue
			}
			for what, text := range map[string]string{"empty": "", "wrong": "unknown 1\n", "garbage": "a b c\n"} {
				changed := map[string]string{}
				for name, content := range files {
					changed[name] = content
				}
				changed[broken] = text
				err := readCgroup(writeTree(t, changed), &spec.Counters{})
				if err == nil || !strings.Contains(err.Error(), broken) {
					t.Errorf("%s %s: error is %v", what, broken, err)
				}
			}
		}
	}
}
