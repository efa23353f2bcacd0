// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// seededOwn is a service alone whose data a command makes from a file.
func seededOwn(t *testing.T, built string, words ...string) scenarios.Topology {
	t.Helper()
	p := ownService(t, built)
	p.Links = nil
	p.Service.Env["NEXT"] = "nowhere"
	p.Seed = append([]string{"headroom", "keep", "sql/rows.txt"}, words...)
	p.SeedFiles = []scenarios.File{{Path: "sql/rows.txt", From: "sql/rows.txt", SHA256: "1", Content: []byte("rows")}}
	return scenarios.Topology{Label: "own", Entry: "app/web", Machines: []scenarios.Machine{
		{Name: "app", Group: "app", VCPU: 1, MemoryGiB: 0.25, Processes: []scenarios.Process{p}},
	}}
}

// datasetOf is what the topology's one process begins with.
func datasetOf(t *testing.T, topology scenarios.Topology) scenarios.Dataset {
	t.Helper()
	d, begins := topology.DatasetOf(topology.Machines[0], topology.Machines[0].Processes[0])
	if !begins {
		t.Fatal("nothing makes its data")
	}
	return d
}

// The data of an image of the user's own are made once, beside the running program, and
// each start begins with a copy of its own.
func TestOwnSeed(t *testing.T) {
	s := openOwn(t)
	t.Cleanup(func() { removeDatasets(t, 1, s.options.DatasetVersion) })
	topology := seededOwn(t, "x", "of {copy}/{copies}")
	if err := s.EnsureImages(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	d := datasetOf(t, topology)
	for range 2 {
		ensureDatasets(t, s, topology)
		checkOnlyNetworkLeft(t, s)
	}
	if full, err := s.isFull(t.Context(), d, s.volumeOf(d)); !full || err != nil {
		t.Errorf("the volume is full %v, %v", full, err)
	}
	if err := s.StartDriver(t.Context(), 0.5); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		sys, err := startOwn(t, s, topology)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.Exec(t.Context(), nil, "fetch", sys.EntryURL(""))
		if want := ", built with x, with rows of 1/1"; err != nil || !strings.HasSuffix(string(answer), want) {
			t.Errorf("it answers %q, %v, want ...%q", answer, err, want)
		}
		if mounts := inspect(t, s, sys.containers[0]).Mounts; len(mounts) != 1 || mounts[0].Destination != "/data" || !mounts[0].RW || mounts[0].Name == s.volumeOf(d) {
			t.Errorf("mounts %+v, want a volume of its own alone", mounts)
		}
		if err := sys.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// storeTopology is a server of the machines' image as somebody's own image, which keeps on
// disk what its tool tells it.
func storeTopology(t *testing.T, s *Stage) scenarios.Topology {
	t.Helper()
	dir := t.TempDir()
	writeDockerfile(t, dir, s.options.Image, `ENTRYPOINT ["valkey-server"]`)
	p := scenarios.Process{
		Name: "store", Kind: "service", Port: 7000, Facts: scenarios.Facts{Stores: true, Ports: 1},
		Seed: []string{"valkey-cli", "-p", "7000", "set", "answer", "42"},
		Service: &scenarios.Service{
			Build:   &scenarios.Build{Context: "app", Dir: dir},
			Command: []string{"--port", "7000", "--dir", "/data", "--save", "3600", "1", "--protected-mode", "no"},
			Ready:   scenarios.Ready{TCP: true, Within: 30 * time.Second},
			Data:    "/data", Limits: scenarios.LimitsFromStart, Attach: "valkey",
		},
	}
	return scenarios.Topology{Label: "own", Entry: "app/store", Machines: []scenarios.Machine{
		{Name: "app", Group: "app", VCPU: 1, MemoryGiB: 0.25, Processes: []scenarios.Process{p}},
	}}
}

// A real server keeps what a tool of its image has put there, and no start sees what
// another one has written.
func TestOwnSeedOfAServer(t *testing.T) {
	s := withBuilt(t, func(t *testing.T) *Stage { return openReal(t, realUnitCPUs) })
	topology := storeTopology(t, s)
	if err := s.EnsureImages(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ensureDatasets(t, s, topology)
	}
	checkOnlyNetworkLeft(t, s)
	for range 2 {
		sys, err := startOwn(t, s, topology)
		if err != nil {
			t.Fatal(err)
		}
		const check = `test "$(valkey-cli -p 7000 get answer)" = 42 && valkey-cli -p 7000 set answer 43 && valkey-cli -p 7000 save`
		if err := s.execIn(t.Context(), sys.containers[0], client.ExecCreateOptions{AttachStdout: true, AttachStderr: true, Cmd: []string{"sh", "-c", check}}); err != nil {
			t.Errorf("it does not begin with what was put there: %v", err)
		}
		if err := sys.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What goes wrong is said, and leaves no dataset that would be taken for a whole one.
func TestOwnSeedFails(t *testing.T) {
	s := openOwn(t)
	t.Cleanup(func() { removeDatasets(t, 7, s.options.DatasetVersion) })
	for _, test := range []struct {
		name string
		edit func(*scenarios.Process)
		want []string
	}{
		{"the command fails", func(p *scenarios.Process) { p.Seed[3] = "fail" }, []string{"make dataset headroom-dataset-", "the seed command: exit code 1", "no such table: rows"}},
		{"there is no such command", func(p *scenarios.Process) { p.Seed[0] = "psql" }, []string{"the seed command: ", "psql"}},
		{"the process ends badly", func(p *scenarios.Process) { p.Service.Env["ENDS_WITH"] = "5" }, []string{"process web: when it was stopped: it exited with code 5", "the service ends"}},
		{"the process does not start", func(p *scenarios.Process) { p.Service.Env["EXIT"] = "1" }, []string{"machine web died at ", "no space left on device"}},
		{"the process waits for its data", func(p *scenarios.Process) {
			p.Port, p.Service.Ready = 8001, scenarios.Ready{HTTP: "/rows", Within: 2 * time.Second}
		}, []string{"machine web: not ready after 2s", "before its data are there: ready: {tcp: yes}"}},
		{"a part of the data is elsewhere", func(p *scenarios.Process) { withVolume(t, p, "/data/more") }, []string{"process web: the image keeps /data/more in a volume of its own: write data: /data/more"}},
		{"it is killed at once", func(p *scenarios.Process) { killedAtOnce(t, p) }, []string{"process web: when it was stopped: its image has it killed at once (STOPSIGNAL SIGKILL)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			topology := seededOwn(t, "x", "more")
			test.edit(&topology.Machines[0].Processes[0])
			if err := s.EnsureImages(t.Context(), topology); err != nil {
				t.Fatal(err)
			}
			d := datasetOf(t, topology)
			err := s.EnsureDataset(t.Context(), d)
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error without %q:\n%v", part, err)
				}
			}
			if full, err := s.isFull(t.Context(), d, s.volumeOf(d)); full || err != nil {
				t.Errorf("the volume is full %v, %v", full, err)
			}
			checkOnlyNetworkLeft(t, s)
		})
	}
}

// withVolume has a service's image keep a folder in a volume of its own.
func withVolume(t *testing.T, p *scenarios.Process, folder string) {
	t.Helper()
	writeDockerfile(t, p.Service.Build.Dir, testImage, "VOLUME "+folder+`
ARG BUILT=nothing
ENTRYPOINT ["headroom", "service"]`)
}

// killedAtOnce has a service's image be stopped by the signal that nobody can obey.
func killedAtOnce(t *testing.T, p *scenarios.Process) {
	t.Helper()
	writeDockerfile(t, p.Service.Build.Dir, testImage, `STOPSIGNAL SIGKILL
ARG BUILT=nothing
ENTRYPOINT ["headroom", "service"]`)
}

// Data that a server keeps elsewhere are no dataset that would be taken for a whole one.
func TestOwnSeedOfNothing(t *testing.T) {
	s := withBuilt(t, func(t *testing.T) *Stage { return openReal(t, realUnitCPUs) })
	t.Cleanup(func() { removeDatasets(t, 1, s.options.DatasetVersion) })
	topology := storeTopology(t, s)
	service := topology.Machines[0].Processes[0].Service
	service.Command, service.Data = []string{"--port", "7000", "--dir", "/tmp", "--protected-mode", "no"}, "/empty"
	if err := s.EnsureImages(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	d := datasetOf(t, topology)
	err := s.EnsureDataset(t.Context(), d)
	for _, part := range []string{"process store: keeping what is in /empty: ", "the seed left nothing in data"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error without %q:\n%v", part, err)
		}
	}
	if full, err := s.isFull(t.Context(), d, s.volumeOf(d)); full || err != nil {
		t.Errorf("the volume is full %v, %v", full, err)
	}
	checkOnlyNetworkLeft(t, s)
}

// The volume at the folder holds all that is below, or nothing is taken from it.
func TestVolumeAmong(t *testing.T) {
	at := func(name, dir string) container.MountPoint { return container.MountPoint{Name: name, Destination: dir} }
	for _, test := range []struct {
		name   string
		mounts []container.MountPoint
		want   string
		fault  string // "": none
	}{
		{"alone", []container.MountPoint{at("a", "/data")}, "a", ""},
		{"beside others", []container.MountPoint{at("b", "/database"), at("a", "/data"), at("c", "/")}, "a", ""},
		{"one below", []container.MountPoint{at("a", "/data"), at("b", "/data/17/main")}, "", "the image keeps /data/17/main in a volume of its own: write data: /data/17/main"},
		{"one below comes first", []container.MountPoint{at("b", "/data/x"), at("a", "/data")}, "", "write data: /data/x"},
		{"no volume", []container.MountPoint{at("", "/data")}, "", "no volume at /data"},
		{"nothing", nil, "", "no volume at /data"},
	} {
		got, err := volumeAmong(test.mounts, "/data")
		if got != test.want || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %q, %v; want %q, %q", test.name, got, err, test.want, test.fault)
		}
	}
}

// A dataset's volume has its labels wherever a container might make it anew.
func TestDatasetMount(t *testing.T) {
	s := &Stage{options: Options{DatasetVersion: "v"}}
	for _, readOnly := range []bool{true, false} {
		m := s.datasetMount("a", "/dataset", readOnly)
		labels := m.VolumeOptions.Labels
		if m.Source != "a" || m.Target != "/dataset" || m.ReadOnly != readOnly || len(labels) != 2 || labels[labelOurs] != "1" || labels[labelDataset] != "v" {
			t.Errorf("read-only %v: %+v with %v", readOnly, m, labels)
		}
	}
}

// Without its image nobody knows whose data they would be.
func TestOwnSeedNeedsItsImage(t *testing.T) {
	s := &Stage{images: map[string]ownImage{}}
	d := datasetOf(t, seededOwn(t, "x", "more"))
	if err := s.EnsureDataset(t.Context(), d); err == nil || !strings.Contains(err.Error(), "its image is not made (build app): call EnsureImages before") {
		t.Errorf("error %v", err)
	}
}

// Another image of the same name makes other data.
func TestVolumeOfAnOwnDataset(t *testing.T) {
	d := datasetOf(t, seededOwn(t, "x", "more"))
	tag := imageTag(*d.Process.Service)
	names := map[string]bool{}
	for _, id := range []string{"sha256:1", "sha256:2", "sha256:1"} {
		s := &Stage{options: Options{DatasetVersion: "v"}, images: map[string]ownImage{tag: {id: id}}}
		names[s.volumeOf(d)] = true
		if !strings.HasPrefix(s.volumeOf(d), "headroom-"+stage.DatasetPrefix) {
			t.Errorf("the volume is %s", s.volumeOf(d))
		}
	}
	if len(names) != 2 {
		t.Errorf("two images make %v", names)
	}
}

// While data are made a process runs alone: nothing limits it, nothing is counted, and
// the files of the command are there.
func TestSeedTopology(t *testing.T) {
	d := datasetOf(t, seededOwn(t, "x", "more"))
	d.Process.Service.Counters, d.Process.Service.Attach = &scenarios.Exposition{}, "postgres"
	topology := seedTopology(d)
	m := topology.Machines[0]
	p := m.Processes[0]
	if quotaFromStart(m) || p.Service.Counters != nil || p.Service.Attach != "" || len(topology.Datasets()) != 0 {
		t.Errorf("the process is %+v of %+v", p, *p.Service)
	}
	if at, err := topology.FindEntry(""); err != nil || at.Process.Name != "web" {
		t.Errorf("the entry is %+v, %v", at, err)
	}
	d.Process.Name = "My data"
	if named := seedTopology(d).Machines[0]; m.Name != "web" || named.Name != "seed" || named.Processes[0].Name != "My data" {
		t.Errorf("the machines are %s, and %+v", m.Name, named)
	}
	if files := p.Service.Files; len(files) != 2 || files[1].Path != "/seed/sql/rows.txt" || string(files[1].Content) != "rows" {
		t.Errorf("the files are %+v", files)
	}
	if own := d.Process.Service; len(own.Files) != 1 || own.Limits != scenarios.LimitsFromStart || len(d.Process.Seed) == 0 {
		t.Errorf("asking has changed the dataset: %+v", own)
	}
}

// Who begins with data has an empty volume, and nothing of headroom's.
func TestMountsOfAnOwnImage(t *testing.T) {
	s := &Stage{}
	topology := seededOwn(t, "x", "more")
	for _, seeded := range []bool{true, false} {
		if !seeded {
			topology.Machines[0].Processes[0].Seed = nil
		}
		mounts := s.mounts(topology, topology.Machines[0])
		if len(mounts) != 1 || mounts[0].Target != "/data" || mounts[0].Source != "" || mounts[0].VolumeOptions.NoCopy != seeded || mounts[0].VolumeOptions.Labels[labelOurs] != "1" {
			t.Errorf("seeded %v: %+v", seeded, mounts)
		}
	}
}

func TestStopSignal(t *testing.T) {
	for name, want := range map[string]syscall.Signal{
		"": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "INT": syscall.SIGINT, "quit": syscall.SIGQUIT, "2": syscall.SIGINT, "NOTHING": syscall.SIGTERM, "-1": syscall.SIGTERM,
	} {
		if got := stopSignal(name); got != want {
			t.Errorf("%q is %v, want %v", name, got, want)
		}
	}
}

func TestSoundEnd(t *testing.T) {
	for _, test := range []struct {
		name  string
		state *container.State
		want  string // "": sound
	}{
		{"success", &container.State{}, ""},
		{"by the signal", &container.State{ExitCode: 130}, ""},
		{"by another signal", &container.State{ExitCode: 143}, "it exited with code 143"},
		{"killed", &container.State{ExitCode: 137}, "did not stop within 1m0s of SIGINT, and was killed"},
		{"no memory", &container.State{ExitCode: 137, OOMKilled: true}, "out of memory"},
		{"badly", &container.State{ExitCode: 1}, "it exited with code 1"},
		{"not at all", &container.State{Running: true}, "runs on"},
		{"not told", nil, "runs on"},
	} {
		err := checkStopped(test.state, syscall.SIGINT)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if err := checkStopped(&container.State{ExitCode: killedCode}, syscall.SIGKILL); err == nil || !strings.Contains(err.Error(), "STOPSIGNAL SIGKILL") {
		t.Errorf("killed by the signal that its image names: %v", err)
	}
}

// The engine tells of a machine of the user's own what the observer can't see.
func TestMeter(t *testing.T) {
	s := openOwn(t)
	sys, err := startOwn(t, s, ownTopology(ownService(t, "x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.StartDriver(t.Context(), 0.5); err != nil {
		t.Fatal(err)
	}
	meter := stage.Meter(sys)
	before := meter.Meter(t.Context())
	if _, err := s.Exec(t.Context(), nil, "fetch", sys.EntryURL("")); err != nil {
		t.Fatal(err)
	}
	after := meter.Meter(t.Context())
	if _, own := after["app"]; len(after) != 1 || !own {
		t.Fatalf("it tells of %v, want app alone", after)
	}
	first, last := before["app"], after["app"]
	if len(last.Unread) > 0 || !last.CPUSecondsTotal.Known() || !last.MemoryBytes.Known() {
		t.Errorf("the engine tells %+v", last)
	}
	if received, sent := growth(first, last); !(received > 0) || !(sent > 0) {
		t.Errorf("a request and its answer are %v and %v bytes", received, sent)
	}
	if err := sys.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if gone := meter.Meter(t.Context())["app"]; gone.NetRxBytesTotal.Known() || len(gone.Unread) != 1 || !strings.HasPrefix(gone.Unread[0], "engine: ") {
		t.Errorf("of a container that is gone it tells %+v", gone)
	}
}

// growth is what came and went between two readings; NaN where that is not known.
func growth(first, last spec.Counters) (received, sent float64) {
	return last.NetRxBytesTotal.OrNaN() - first.NetRxBytesTotal.OrNaN(), last.NetTxBytesTotal.OrNaN() - first.NetTxBytesTotal.OrNaN()
}
