// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// ownFile is what these tests read of a compose file beside what composeFile has.
type ownFile struct {
	Services map[string]struct {
		Image string `yaml:"image"`
		Build *struct {
			Context    string            `yaml:"context"`
			Dockerfile string            `yaml:"dockerfile"`
			Target     string            `yaml:"target"`
			Args       map[string]string `yaml:"args"`
		} `yaml:"build"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Healthcheck map[string]any    `yaml:"healthcheck"`
		Restart     string            `yaml:"restart"`
		Volumes     []string          `yaml:"volumes"`
		Configs     []struct {
			Source string `yaml:"source"`
			Target string `yaml:"target"`
		} `yaml:"configs"`
		DependsOn map[string]struct {
			Condition string `yaml:"condition"`
		} `yaml:"depends_on"`
	} `yaml:"services"`
	Configs map[string]struct {
		Content string `yaml:"content"`
	} `yaml:"configs"`
}

func parsedOwn(t *testing.T, text []byte) ownFile {
	t.Helper()
	var c ownFile
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatalf("not YAML: %v\n%s", err, text)
	}
	return c
}

// withService is a machine of our image in front of two of the user's own.
func withService() scenarios.Topology {
	machine := func(name string, p scenarios.Process) scenarios.Machine {
		return scenarios.Machine{Name: name, Group: name, Size: "small", MemoryGiB: 1, Processes: []scenarios.Process{p}}
	}
	front := processOf("haproxy", nil)
	front.Links = []scenarios.Link{{Role: "backends", To: []string{"app/web"}}}
	web := scenarios.Process{Name: "web", Kind: "service", Port: 8000, Links: []scenarios.Link{{Role: "database", To: []string{"db/postgres"}}}, Service: &scenarios.Service{
		Build:   &scenarios.Build{Context: "app", Dockerfile: "Dockerfile.dev", Target: "run", Args: map[string]string{"BASE": "debian"}, Dir: "/home/me"},
		Command: []string{"serve", "it's $1"}, Env: map[string]string{"DATABASE_URL": "postgres://app@{database}/app", "PRICE": "$5\nnet"},
		Files: []scenarios.File{{Path: "/etc/app.conf", From: "app.conf", Content: []byte("a: \"$b\"\n  c\n")}},
	}}
	database := scenarios.Process{Name: "postgres", Kind: "service", Port: 5432, Facts: scenarios.Facts{Stores: true},
		Service: &scenarios.Service{Image: "postgres:17", Data: "/var/lib/postgresql/data"}}
	return scenarios.Topology{Label: "own", Entry: "front/haproxy", Machines: []scenarios.Machine{
		machine("db", database), machine("app", web), machine("front", front),
	}}
}

// A machine of an image of the user's own has what the scenario says of it, and
// nothing of headroom's.
func TestOwnImages(t *testing.T) {
	text := written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: withService()})
	if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(string(text), "$$", ""), "${HEADROOM_", ""), "$") {
		t.Errorf("compose would replace something in\n%s", text)
	}
	c := parsedOwn(t, bytes.ReplaceAll(text, []byte("$$"), []byte("$")))
	app, db, front := c.Services["app"], c.Services["db"], c.Services["front"]
	if b := app.Build; b == nil || b.Context != "/home/me/app" || b.Dockerfile != "Dockerfile.dev" || b.Target != "run" || b.Args["BASE"] != "debian" {
		t.Errorf("app is built by %+v", b)
	}
	if want := map[string]string{"DATABASE_URL": "postgres://app@db:5432/app", "PRICE": "$5\nnet"}; !reflect.DeepEqual(app.Environment, want) || !slices.Equal(app.Command, []string{"serve", "it's $1"}) {
		t.Errorf("app is told %q and runs %q", app.Environment, app.Command)
	}
	if len(app.Configs) != 1 || app.Configs[0].Target != "/etc/app.conf" || c.Configs[app.Configs[0].Source].Content != "a: \"$b\"\n  c\n" {
		t.Errorf("app has the files %+v of %+v", app.Configs, c.Configs)
	}
	if db.Image != "postgres:17" || db.Build != nil || !slices.Equal(db.Volumes, []string{"/var/lib/postgresql/data"}) || len(db.Environment) != 0 || len(db.Command) != 0 {
		t.Errorf("db is %+v", db)
	}
	if app.Restart != "on-failure" || db.Restart != "on-failure" || front.Restart != "" {
		t.Errorf("app is started again %q, db %q, front %q", app.Restart, db.Restart, front.Restart)
	}
	if len(app.Healthcheck)+len(db.Healthcheck) != 0 || app.Image != "" {
		t.Errorf("app %+v and db %+v have something of headroom's", app, db)
	}
	if front.DependsOn["app"].Condition != "service_started" || app.DependsOn["db"].Condition != "service_started" || front.Environment[spec.EnvSpec] == "" || front.Image == "" {
		t.Errorf("front is %+v, app waits for %+v", front, app.DependsOn)
	}
}

// A program may be among the files of a service, as in a container of the docker stage.
func TestFilesMayBeRun(t *testing.T) {
	text := string(written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: withService()}))
	if want := `- {source: app-file-1, target: "/etc/app.conf", mode: 0755}`; !strings.Contains(text, want) {
		t.Errorf("the file does not hold %q:\n%s", want, text)
	}
}

// A folder may have any name that a scenario may say.
func TestVolumesAreTakenByTheLetter(t *testing.T) {
	topology, odd := withService(), `/var/"odd" \ ${HOME}`
	topology.Machines[0].Processes[0].Service.Data = odd
	text := written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: topology})
	if got := parsedOwn(t, text).Services["db"].Volumes; len(got) != 1 || got[0] != strings.ReplaceAll(odd, "$", "$$") {
		t.Errorf("the volumes are %q, want %q", got, odd)
	}
}

// What the file's head says is true of the user's own images too.
func TestHeadOfOwnImages(t *testing.T) {
	entered := func(edit func(*scenarios.Service)) scenarios.Topology {
		topology := withService()
		topology.Entry, topology.Machines = "app/web", topology.Machines[:2]
		edit(topology.Machines[1].Processes[0].Service)
		return topology
	}
	attached := withService()
	attached.Machines[0].Processes[0].Facts.Database = true // by attach: it has passwords of its own
	const curl, secrets, trust, image = "curl http://127.0.0.1:8080", "in plain text", "databases trust", "make image"
	for _, test := range []struct {
		name       string
		topology   scenarios.Topology
		has, lacks []string
	}{
		{"ours", oneMachine("server"), []string{curl + "/health\n", trust, image, "nothing but the entry is reachable"}, []string{secrets}},
		{"ours in front of others", attached, []string{curl + "/health\n", secrets, image, "nothing but the\n# entry is reachable"}, []string{trust}},
		{"others alone, ready by a path", entered(func(s *scenarios.Service) { s.Ready.HTTP = "/up?token=x" }), []string{curl + "/up\n", secrets}, []string{"/health", "token", trust, image}},
		{"others alone, ready by a port", entered(func(s *scenarios.Service) { s.Ready.TCP, s.Env = true, nil }), []string{curl + "/\n", secrets}, []string{"/health", trust, image}},
		{"nothing that may be secret", entered(func(s *scenarios.Service) { s.Build.Args, s.Env = nil, nil }), nil, []string{secrets}},
	} {
		text := string(written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: test.topology}))
		head, _, _ := strings.Cut(text, "\nx-machine:")
		for _, want := range test.has {
			if !strings.Contains(head, want) {
				t.Errorf("%s: the head does not say %q:\n%s", test.name, want, head)
			}
		}
		for _, not := range test.lacks {
			if strings.Contains(head, not) {
				t.Errorf("%s: the head says %q:\n%s", test.name, not, head)
			}
		}
		for line := range strings.Lines(head) {
			if !strings.HasPrefix(line, "#") {
				t.Errorf("%s: a line of the head is no comment: %q", test.name, line)
			}
		}
	}
}

// The files of a seed command stand in the file, where the command works.
func TestSeedFiles(t *testing.T) {
	topology := oneMachine("server")
	p := &topology.Machines[0].Processes[0]
	p.Seed = []string{"psql", "-f", "sql/schema.sql"}
	p.SeedFiles = []scenarios.File{{Path: "sql/schema.sql", From: "sql/schema.sql", Content: []byte("SELECT $1;\n")}}
	text := written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: topology})
	c := parsedOwn(t, text)
	made := c.Services["seed"]
	if len(made.Configs) != 1 || made.Configs[0].Target != "/seed/sql/schema.sql" || c.Configs[made.Configs[0].Source].Content != "SELECT $$1;\n" {
		t.Errorf("the maker has the files %+v of %+v", made.Configs, c.Configs)
	}
	if s := told(t, parsed(t, text), "seed"); s.Seed.FilesDir != "/seed" {
		t.Errorf("the command works in %q", s.Seed.FilesDir)
	}
	if !strings.Contains(string(text), "docker compose 2.23") || len(c.Services["server"].Configs) != 0 {
		t.Errorf("the file does not say who takes it, or gives the machine the maker's files:\n%s", text)
	}
	plain := written(t, File{Scenario: "mine", Variant: scenarios.After, Topology: oneMachine("server")})
	if strings.Contains(string(plain), "configs") || strings.Contains(string(plain), "2.23") {
		t.Errorf("a file without files speaks of some:\n%s", plain)
	}
}

func TestOwnImagesRefused(t *testing.T) {
	for want, edit := range map[string]func(app *scenarios.Service){
		"app/web runs a program of this computer": func(s *scenarios.Service) { s.Build = nil },
		"file app.conf is not text":               func(s *scenarios.Service) { s.Files[0].Content = []byte{0xff} },
	} {
		topology := withService()
		edit(topology.Machines[1].Processes[0].Service)
		err := File{Scenario: "mine", Variant: scenarios.After, Topology: topology}.Write(&bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// Nobody makes data in an image of the user's own but a stage.
func TestOwnSeedIsRefused(t *testing.T) {
	topology := withService()
	topology.Machines[0].Processes[0].Seed = []string{"psql", "-f", "schema.sql"}
	err := File{Scenario: "mine", Variant: scenarios.After, Topology: topology}.Write(&bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "the data of db/postgres are made by a command inside its image") || !strings.Contains(err.Error(), "leave seed out of a copy of the scenario") {
		t.Errorf("error %v, want the remedy", err)
	}
}

// What a person types against such a file must be accepted by the program.
func TestDockerComposeAcceptsOwnImages(t *testing.T) {
	topology, dir := withService(), t.TempDir()
	service := topology.Machines[1].Processes[0].Service
	service.Files, service.Build.Dir = nil, dir // older programs take no files, and look for the folder
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	checkAccepted(t, dir, File{Scenario: "mine", Variant: scenarios.After, Topology: topology})
}
