// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bytes"
	"encoding/json"
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
		Entrypoint  []string          `yaml:"entrypoint"`
		Ports       []string          `yaml:"ports"`
		Volumes     []string          `yaml:"volumes"`
		MemLimit    string            `yaml:"mem_limit"`
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
	want := []string{"seed"}
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

// checkSpec reads what a machine is told, as compose hands it over, and holds
// it against the topology and against what the service waits for.
func checkSpec(t *testing.T, f File, m scenarios.Machine, c composeFile) {
	t.Helper()
	service := c.Services[m.Name]
	handed := strings.ReplaceAll(service.Environment[spec.EnvSpec], "$$", "$")
	in := json.NewDecoder(strings.NewReader(handed))
	in.DisallowUnknownFields()
	var got spec.Spec
	if err := in.Decode(&got); err != nil {
		t.Fatalf("%s: %v in %q", m.Name, err, handed)
	}
	if got.Machine != m.Name || got.Nonce == "" || got.Dataset != f.Dataset || len(got.Processes) != len(m.Processes) {
		t.Errorf("%s is told %+v", m.Name, got)
	}
	for _, p := range got.Processes {
		primary := p.Links["primary"]
		if _, waits := service.DependsOn[seedService]; p.Kind == "postgres" && waits == (len(primary) > 0) {
			t.Errorf("%s waits for the dataset: %v; is a replica: %v", m.Name, waits, len(primary) > 0)
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

// What a person types against the file must be accepted by the program.
func TestDockerComposeAcceptsTheFiles(t *testing.T) {
	program, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Skip("docker-compose is not installed")
	}
	for _, name := range []string{"final", "phase6"} {
		path := filepath.Join(t.TempDir(), "docker-compose.yml")
		if err := os.WriteFile(path, written(t, Of(loaded(t, name), scenarios.After)), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), program, "-f", path, "config", "-q").CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
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
	return scenarios.Topology{
		Label: "one", Entry: name + "/shop",
		Machines: []scenarios.Machine{{
			Name: name, Group: name, Size: "small", MemoryGiB: 4,
			Processes: []scenarios.Process{
				processOf("postgres", nil), processOf("shop", map[string]string{"odd": `it's ${HOME} and $1`}),
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
		{"the seeder's name", func(t *scenarios.Topology) { *t = oneMachine("seed") }, `named "seed"`},
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
