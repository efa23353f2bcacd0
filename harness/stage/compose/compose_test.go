// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine/spec"
)

const committed = "../../../docker-compose.yml"

// composeFile is what the tests read of a compose file.
type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		Ports       []string          `yaml:"ports"`
		Volumes     []string          `yaml:"volumes"`
		MemLimit    string            `yaml:"mem_limit"`
		SharedSize  string            `yaml:"shm_size"`
		Environment map[string]string `yaml:"environment"`
		Healthcheck struct {
			Test []string `yaml:"test"`
		} `yaml:"healthcheck"`
		DependsOn map[string]struct {
			Condition string `yaml:"condition"`
		} `yaml:"depends_on"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func written(t *testing.T, f File) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func parsed(t *testing.T, data []byte) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatalf("not YAML: %v\n%s", err, data)
	}
	return c
}

func loaded(t *testing.T, name string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.LoadNamed(name, kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The file at the root is what a person takes: it must be that of the scenario.
func TestCommittedFileIsFresh(t *testing.T) {
	want := written(t, Of(loaded(t, "final"), scenarios.After))
	got, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docker-compose.yml is stale: run `make docker-compose.yml` and commit it")
	}
}

func TestEveryTopologyMakesAFile(t *testing.T) {
	for _, name := range scenarios.Names() {
		for _, v := range scenarios.Variants() {
			t.Run(name+" "+string(v), func(t *testing.T) {
				f := Of(loaded(t, name), v)
				checkFile(t, f, parsed(t, written(t, f)))
			})
		}
	}
}

func checkFile(t *testing.T, f File, c composeFile) {
	t.Helper()
	want := makersOf(len(f.Topology.Datasets()), "seed")
	for _, m := range f.Topology.Machines {
		want = append(want, m.Name)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	published := 0
	for _, m := range f.Topology.Machines {
		s := c.Services[m.Name]
		if s.Image != "${HEADROOM_IMAGE:-headroom/machine:latest}" || s.MemLimit == "" || !slices.Contains(s.Healthcheck.Test, "ready") {
			t.Errorf("%s: image %q, memory %q, health check %v", m.Name, s.Image, s.MemLimit, s.Healthcheck.Test)
		}
		for _, p := range s.Ports {
			published++
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %q: only this computer may reach it", m.Name, p)
			}
		}
		checkSpec(t, f, m, c)
	}
	if entries := max(1, len(f.Topology.Entries)); published != entries {
		t.Errorf("%d ports are published, want that of each of %d entries", published, entries)
	}
}

// makersOf are the names of what there is one of a dataset.
func makersOf(datasets int, name string) []string {
	if datasets == 1 {
		return []string{name}
	}
	var out []string
	for i := range datasets {
		out = append(out, fmt.Sprintf("%s-%d", name, i+1))
	}
	return out
}

// told reads what a service is told, as compose hands it over.
func told(t *testing.T, c composeFile, service string) spec.Spec {
	t.Helper()
	handed := strings.ReplaceAll(c.Services[service].Environment[spec.EnvSpec], "$$", "$")
	in := json.NewDecoder(strings.NewReader(handed))
	in.DisallowUnknownFields()
	var got spec.Spec
	if err := in.Decode(&got); err != nil {
		t.Fatalf("%s: %v in %q", service, err, handed)
	}
	return got
}

// checkSpec holds what a machine is told against the topology and against what the
// service waits for.
func checkSpec(t *testing.T, f File, m scenarios.Machine, c composeFile) {
	t.Helper()
	service, got := c.Services[m.Name], told(t, c, m.Name)
	if got.Machine != m.Name || got.Nonce == "" || got.Seed != nil || len(got.Processes) != len(m.Processes) {
		t.Errorf("%s is told %+v", m.Name, got)
	}
	begins := slices.ContainsFunc(m.Processes, func(p scenarios.Process) bool { return len(p.Seed) > 0 })
	if reads := slices.ContainsFunc(service.Volumes, func(v string) bool { return strings.Contains(v, spec.DatasetDir) }); reads != begins {
		t.Errorf("%s begins with data: %t; it reads %v", m.Name, begins, service.Volumes)
	}
	for i, p := range got.Processes {
		d, begins := f.Topology.DatasetOf(m, m.Processes[i])
		if (p.Dataset != nil) != begins || begins && (p.Dataset.Key != d.Key() || p.Dataset.Dir != spec.DatasetDir+"/"+p.Name) {
			t.Errorf("%s/%s begins with %+v, want %t: %s", m.Name, p.Name, p.Dataset, begins, d.Key())
		}
		if begins {
			checkMaker(t, c, m.Name, p.Dataset)
		}
		keeps := p.Kind == "postgres" || p.Kind == "nats"
		if keeps && !slices.Contains(service.Volumes, spec.DataDir) {
			t.Errorf("%s keeps its data in no volume: %v", m.Name, service.Volumes)
		}
		for role, addresses := range p.Links {
			for _, address := range addresses {
				host, _, err := net.SplitHostPort(address)
				if err != nil {
					t.Errorf("%s: link %s: %v", m.Name, role, err)
				}
				if host != "127.0.0.1" && service.DependsOn[host].Condition != "service_healthy" {
					t.Errorf("%s talks to %s as its %s, and does not wait for it", m.Name, host, role)
				}
			}
		}
	}
}

// checkMaker wants the maker of a dataset among what a machine waits for, and the
// maker's volume among what the machine reads.
func checkMaker(t *testing.T, c composeFile, machine string, d *spec.Dataset) {
	t.Helper()
	volumes := c.Services[machine].Volumes
	for name, on := range c.Services[machine].DependsOn {
		if on.Condition != "service_completed_successfully" {
			continue
		}
		made, service := told(t, c, name), c.Services[name]
		if made.Seed == nil || made.Seed.Dir != spec.DatasetDir || len(service.Volumes) != 1 || len(service.Healthcheck.Test) > 0 || service.SharedSize != "256m" {
			t.Fatalf("%s is told %+v, and is %+v", name, made, service)
		}
		volume, _ := strings.CutSuffix(service.Volumes[0], ":"+spec.DatasetDir)
		if _, kept := c.Volumes[volume]; kept && made.Seed.Key == d.Key && slices.Contains(volumes, volume+":"+d.Dir+":ro") {
			return
		}
	}
	t.Errorf("%s waits for nobody who makes %s into one of %v", machine, d.Key, volumes)
}

// The volumes of a file are those of its datasets.
func TestOneVolumeADataset(t *testing.T) {
	for name, datasets := range map[string]int{"phase3": 1, "phase5": 4, "final": 2} {
		c := parsed(t, written(t, Of(loaded(t, name), scenarios.After)))
		want := makersOf(datasets, "dataset")
		if got := slices.Sorted(maps.Keys(c.Volumes)); !slices.Equal(got, want) {
			t.Errorf("%s: volumes %v, want %v", name, got, want)
		}
	}
}

// Several processes of one machine begin each with its own, copies with the same.
func TestDatasetsOfOneMachine(t *testing.T) {
	first, second := processOf("postgres", nil), processOf("postgres", nil)
	second.Name, second.Port = "other", 5433
	first.Seed, second.Seed = []string{"make", "it's $1"}, []string{"make", "more"}
	machine := func(name string) scenarios.Machine {
		return scenarios.Machine{Name: name, Group: "db", Size: "small", Processes: []scenarios.Process{first, second}}
	}
	topology := scenarios.Topology{Entry: "db-1/other", Machines: []scenarios.Machine{machine("db-1"), machine("db-2")}}
	text := written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: topology})
	c := parsed(t, text)
	for _, name := range []string{"db-1", "db-2"} {
		want := []string{"dataset-1:/dataset/postgres:ro", "dataset-2:/dataset/other:ro", spec.DataDir}
		if s := c.Services[name]; !slices.Equal(s.Volumes, want) || len(s.DependsOn) != 2 || s.SharedSize != "512m" {
			t.Errorf("%s has %v and waits for %v", name, s.Volumes, s.DependsOn)
		}
	}
	if got := told(t, c, "seed-1").Seed.Command; !slices.Equal(got, first.Seed) {
		t.Errorf("the first is made by %q", got)
	}
	if want := "# makes the data of db-1/other, db-2/other, and ends\n  seed-2:\n"; !strings.Contains(string(text), want) {
		t.Errorf("the file does not hold %q:\n%s", want, text)
	}
}

// Without a seed there is nothing to make.
func TestNoMakerWithoutASeed(t *testing.T) {
	topology := oneMachine("server")
	topology.Machines[0].Processes[0].Seed = nil
	text := string(written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: topology}))
	if c := parsed(t, []byte(text)); len(c.Services) != 1 || len(c.Volumes) != 0 || strings.Contains(text, "dataset") || strings.Contains(text, "makes") {
		t.Errorf("a file of a machine that begins with nothing:\n%s", text)
	}
}

// What a person types against the file must be accepted by the program.
func TestDockerComposeAcceptsTheFiles(t *testing.T) {
	for _, name := range []string{"final", "phase6"} {
		checkAccepted(t, t.TempDir(), Of(loaded(t, name), scenarios.After))
	}
}

// checkAccepted has docker-compose read a file in a folder.
func checkAccepted(t *testing.T, dir string, f File) {
	t.Helper()
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Skip("docker-compose, which would read the file, is not installed")
	}
	path := filepath.Join(dir, "docker-compose.yml")
	if err := os.WriteFile(path, written(t, f), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "-f", path, "config", "-q").CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", f.Scenario, err, out)
	}
}

// processOf is a process named as its kind, with the kind's facts, with the kind's
// defaults, and with what the settings say.
func processOf(name scenarios.KindName, settings map[string]string) scenarios.Process {
	kind, ok := scenarios.KindOf(kinds.Data(), name)
	if !ok {
		panic("there is no kind " + name)
	}
	p := kind.Process(string(name))
	maps.Copy(p.Settings, settings)
	return p
}

func oneMachine(name string) scenarios.Topology {
	database := processOf("postgres", nil)
	database.Seed = []string{"make"}
	return scenarios.Topology{
		Label: "one", Entry: name + "/shop",
		Machines: []scenarios.Machine{{
			Name: name, Group: name, Size: "small", MemoryGiB: 4,
			Processes: []scenarios.Process{
				database, processOf("shop", map[string]string{"odd": `it's ${HOME} and $1`}),
			},
		}},
	}
}

func TestSettingsAreTakenByTheLetter(t *testing.T) {
	c := parsed(t, written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: oneMachine("server")}))
	handed := c.Services["server"].Environment[spec.EnvSpec]
	if strings.Contains(strings.ReplaceAll(handed, "$$", ""), "$") {
		t.Errorf("compose would replace something in %s", handed)
	}
	var got spec.Spec
	if err := json.Unmarshal([]byte(strings.ReplaceAll(handed, "$$", "$")), &got); err != nil {
		t.Fatal(err)
	}
	if got := got.Processes[1].Settings["odd"]; got != `it's ${HOME} and $1` {
		t.Errorf("the setting became %q", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*scenarios.Topology)
		want string
	}{
		{"a maker's name", func(t *scenarios.Topology) { *t = oneMachine("seed") }, `named "seed"`},
		{"one of several makers' names", func(t *scenarios.Topology) {
			*t = oneMachine("seed-2")
			second := t.Machines[0].Processes[0]
			second.Name, second.Seed = "other", []string{"make", "more"}
			t.Machines[0].Processes = append(t.Machines[0].Processes, second)
		}, `named "seed-2", as a service that makes a dataset is: rename it`},
		{"an entry that is nowhere", func(t *scenarios.Topology) { t.Entry = "server/nginx" }, "server/nginx"},
		{"a link that leads nowhere", func(t *scenarios.Topology) {
			t.Machines[0].Processes[1].Links = []scenarios.Link{{Role: "cache", To: []string{"cache/valkey"}}}
		}, `no machine "cache"`},
	} {
		topology := oneMachine("server")
		test.edit(&topology)
		err := File{Scenario: "mine", Variant: scenarios.After, Topology: topology}.Write(&bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}
