// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// small is a scenario of which every setting stands at its fallback, but a pool's
// size.
func small() *scenarios.Scenario {
	settings := map[string]string{"pool_size": "2", "feed": "join", "cache_ttl": "5m0s"}
	topology := scenarios.Topology{
		Label: "a label", Entry: "app-1/shop", Entries: map[string]string{"far": "app-2/shop"},
		Machines: []scenarios.Machine{
			{Name: "database", Group: "database", Size: "large", VCPU: 4, MemoryGiB: 16, Processes: []scenarios.Process{{Name: "postgres", Kind: "postgres", Port: 5432, Seed: []string{"make", "10 rows"}}}},
			{Name: "app-1", Group: "app", Size: "medium", VCPU: 2, MemoryGiB: 8, Processes: []scenarios.Process{{
				Name: "shop", Kind: "shop", Port: 8000, Settings: settings,
				Links: []scenarios.Link{{Role: "database", To: []string{"database/postgres"}}, {Role: "mail", To: []string{"mail/mail"}}},
			}}},
		},
	}
	after := topology
	after.Machines = slices.Clone(topology.Machines)
	return &scenarios.Scenario{
		Name: "small", Before: topology, After: after, Kinds: kinds.Data(),
		Load: scenarios.Load{
			Arrivals: "poisson", Timeout: 10 * time.Second, MaxInFlight: 512, WarmupSeconds: 2,
			Keys: map[string]scenarios.Keys{"user": {Distribution: "zipf", Exponent: 0.99, Count: 10}},
			Mix:  []scenarios.Endpoint{{Name: "GET /api/users/{user}", Method: "GET", Path: "/api/users/{user}", Weight: 1, Session: "{user}"}},
		},
	}
}

// shopOf is after's shop, which alone is changed by what is done to it.
func shopOf(s *scenarios.Scenario) *scenarios.Process {
	processes := slices.Clone(s.After.Machines[1].Processes)
	processes[0].Settings = maps.Clone(processes[0].Settings)
	processes[0].Links = slices.Clone(processes[0].Links)
	s.After.Machines[1].Processes = processes
	return &processes[0]
}

// databaseOf is after's database, which alone is changed by what is done to it.
func databaseOf(s *scenarios.Scenario) *scenarios.Process {
	s.After.Machines[0].Processes = slices.Clone(s.After.Machines[0].Processes)
	return &s.After.Machines[0].Processes[0]
}

// A hash that changes refuses every baseline that there is: when this one does, its
// baselines are to be counted anew.
func TestHashIsStable(t *testing.T) {
	const golden = "94ffaae9c15632ac"
	if got := Hash(small()); got != golden {
		t.Fatalf("the hash of the same scenario is now %s: %q", got, hashed(small()))
	}
	for name, change := range map[string]func(s *scenarios.Scenario){
		"a new setting at its fallback": func(s *scenarios.Scenario) { shopOf(s).Settings["burn"] = "0%" },
		"a setting that is named":       func(s *scenarios.Scenario) { delete(shopOf(s).Settings, "feed") },
		"the order of links":            func(s *scenarios.Scenario) { slices.Reverse(shopOf(s).Links) },
		"a port":                        func(s *scenarios.Scenario) { shopOf(s).Port = 8001 },
		"a size": func(s *scenarios.Scenario) {
			m := &s.After.Machines[1]
			m.Size, m.VCPU, m.MemoryGiB, m.QuotaShare = "small", 1, 2, 0.5
		},
		"arrivals": func(s *scenarios.Scenario) { s.Load.Arrivals = "constant" },
		"limits": func(s *scenarios.Scenario) {
			s.Load.Timeout, s.Load.MaxInFlight, s.Load.Connections, s.Load.WarmupSeconds, s.Load.RequestsPerUserPerS = time.Second, 16, 3, 9, 1
		},
		"words": func(s *scenarios.Scenario) {
			s.Title, s.Question, s.Sources, s.After.Label = "another title", "what?", []string{"a source"}, "another label"
			s.Claims, s.SLO, s.Oracles, s.Gate = []scenarios.Claim{{ID: "c"}}, scenarios.SLO{Text: "p99<1s"}, []scenarios.OracleName{"stale"}, []string{"app"}
			s.Load.Mix[0].Object, s.Load.Mix[0].Creates = "user {user}", "posts"
			s.Load.Mix[0].Version, s.Load.Mix[0].ID = scenarios.Extractor{From: "etag"}, scenarios.Extractor{From: "location"}
		},
		"a fact": func(s *scenarios.Scenario) { shopOf(s).Facts.Seeds = true },
	} {
		s := small()
		change(s)
		if Hash(s) != golden {
			t.Errorf("%s changes the hash", name)
		}
	}
}

func TestHashChanges(t *testing.T) {
	seen := map[string]string{Hash(small()): "nothing"}
	for name, change := range map[string]func(s *scenarios.Scenario){
		"its name":       func(s *scenarios.Scenario) { s.Name = "other" },
		"a seed":         func(s *scenarios.Scenario) { databaseOf(s).Seed = []string{"make", "11 rows"} },
		"a seed's words": func(s *scenarios.Scenario) { databaseOf(s).Seed = []string{"make", "10", "rows"} },
		"no seed":        func(s *scenarios.Scenario) { databaseOf(s).Seed = nil },
		"a seed's file": func(s *scenarios.Scenario) {
			databaseOf(s).SeedFiles = []scenarios.File{{Path: "a.sql", From: "a.sql", SHA256: "01"}}
		},
		"a seed's other file": func(s *scenarios.Scenario) {
			databaseOf(s).SeedFiles = []scenarios.File{{Path: "a.sql", From: "a.sql", SHA256: "02"}}
		},
		"a seed more": func(s *scenarios.Scenario) { shopOf(s).Seed = []string{"make"} },
		"keys":        func(s *scenarios.Scenario) { s.Load.Keys["user"] = scenarios.Keys{Distribution: "uniform", Count: 10} },
		"a key's count": func(s *scenarios.Scenario) {
			s.Load.Keys["user"] = scenarios.Keys{Distribution: "zipf", Exponent: 0.99, Count: 11}
		},
		"a path":                 func(s *scenarios.Scenario) { s.Load.Mix[0].Path += "?view=public" },
		"a body":                 func(s *scenarios.Scenario) { s.Load.Mix[0].Body = "{}" },
		"what is expected":       func(s *scenarios.Scenario) { s.Load.Mix[0].Expect = "id" },
		"a session":              func(s *scenarios.Scenario) { s.Load.Mix[0].Session = "" },
		"where it comes from":    func(s *scenarios.Scenario) { s.Load.Mix[0].From = "far" },
		"a weight":               func(s *scenarios.Scenario) { s.Load.Mix[0].Weight = 0.5 },
		"one setting":            func(s *scenarios.Scenario) { shopOf(s).Settings["feed"] = "n_plus_1" },
		"a pool's size":          func(s *scenarios.Scenario) { shopOf(s).Settings["pool_size"] = "3" },
		"a setting nobody knows": func(s *scenarios.Scenario) { shopOf(s).Settings["new"] = "" },
		"a link":                 func(s *scenarios.Scenario) { shopOf(s).Links[1].To = []string{"mail-2/mail"} },
		"a link more": func(s *scenarios.Scenario) {
			shop := shopOf(s)
			shop.Links = append(shop.Links, scenarios.Link{Role: "cache"})
		},
		"a kind":            func(s *scenarios.Scenario) { shopOf(s).Kind = "gateway" },
		"a machine less":    func(s *scenarios.Scenario) { s.After.Machines = s.After.Machines[:1] },
		"the other variant": func(s *scenarios.Scenario) { s.Before.Machines = s.Before.Machines[:1] },
		"the entry":         func(s *scenarios.Scenario) { s.After.Entry = "database/postgres" },
		"an entry": func(s *scenarios.Scenario) {
			s.After.Entries = map[string]string{"far": "app-1/shop"}
		},
	} {
		s := small()
		change(s)
		if other, taken := seen[Hash(s)]; taken {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[Hash(s)] = name
	}
}

// withService is the small scenario with a service in after, in place of its shop.
func withService(change func(*scenarios.Service)) *scenarios.Scenario {
	s := small()
	service := &scenarios.Service{
		Image: "app:1", Build: &scenarios.Build{Context: ".", Args: map[string]string{"BASE": "debian"}}, Command: []string{"run", "it"},
		Env: map[string]string{"LEVEL": "1", "API_KEY": "s3cret"}, Files: []scenarios.File{{Path: "/a", From: "a", SHA256: "01"}}, Data: "/data",
		Limits: scenarios.LimitsFromStart, Counters: &scenarios.Exposition{Path: "/metrics", Names: map[scenarios.Meaning]string{scenarios.MeaningQueued: "jobs"}},
	}
	change(service)
	shopOf(s).Service = service
	return s
}

// How a service runs alters counts; when it is ready, and what nobody may know, does
// not.
func TestHashOfServices(t *testing.T) {
	golden := Hash(withService(func(*scenarios.Service) {}))
	seen := map[string]string{golden: "nothing", Hash(small()): "no service"}
	for name, change := range map[string]func(*scenarios.Service){
		"an image":          func(s *scenarios.Service) { s.Image = "app:2" },
		"no build":          func(s *scenarios.Service) { s.Build = nil },
		"a context":         func(s *scenarios.Service) { s.Build.Context = "app" },
		"a Dockerfile":      func(s *scenarios.Service) { s.Build.Dockerfile = "Dockerfile.dev" },
		"a target":          func(s *scenarios.Service) { s.Build.Target = "run" },
		"a build argument":  func(s *scenarios.Service) { s.Build.Args["BASE"] = "alpine" },
		"a command":         func(s *scenarios.Service) { s.Command = []string{"run it"} },
		"a variable":        func(s *scenarios.Service) { s.Env["LEVEL"] = "2" },
		"a variable more":   func(s *scenarios.Service) { s.Env["MORE"] = "" },
		"a file's path":     func(s *scenarios.Service) { s.Files[0].Path = "/b" },
		"what a file holds": func(s *scenarios.Service) { s.Files[0].SHA256 = "02" },
		"a folder":          func(s *scenarios.Service) { s.Data = "/other" },
		"a counter":         func(s *scenarios.Service) { s.Counters.Names[scenarios.MeaningQueued] = "tasks" },
		"a counter's meaning": func(s *scenarios.Service) {
			s.Counters.Names = map[scenarios.Meaning]string{scenarios.MeaningLockWaiters: "jobs"}
		},
		"a page":      func(s *scenarios.Service) { s.Counters.Path = "/stats" },
		"no counters": func(s *scenarios.Service) { s.Counters = nil },
		"attached":    func(s *scenarios.Service) { s.Attach = "postgres" },
		"limits":      func(s *scenarios.Service) { s.Limits = scenarios.LimitsFromReady },
	} {
		hash := Hash(withService(change))
		if other, taken := seen[hash]; taken {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[hash] = name
	}
	for name, change := range map[string]func(*scenarios.Service){
		"ready":                func(s *scenarios.Service) { s.Ready = scenarios.Ready{HTTP: "/", Within: time.Second} },
		"a secret":             func(s *scenarios.Service) { s.Env["API_KEY"] = "other" },
		"where the file stood": func(s *scenarios.Service) { s.Build.Dir, s.Files[0].Content = "/somewhere", []byte("a") },
	} {
		if s := withService(change); Hash(s) != golden || Hash(s.Masked()) != golden {
			t.Errorf("%s changes the hash", name)
		}
	}
}

// A secret in a seed alters no hash: the trials file does not tell the secret.
func TestHashOfSecretSeeds(t *testing.T) {
	with := func(words ...string) *scenarios.Scenario {
		s := small()
		databaseOf(s).Seed = words
		return s
	}
	one, other := with("load", "--password", "one", "a"), with("load", "--password", "two", "a")
	if Hash(one) != Hash(other) || Hash(one) != Hash(one.Masked()) {
		t.Errorf("the secret changes the hash: %s, %s, %s", Hash(one), Hash(other), Hash(one.Masked()))
	}
	if Hash(one) == Hash(with("load", "--password", "one", "b")) {
		t.Error("another seed has the same hash")
	}
}

// A field that a scenario gets is to be thought about: does it alter counts? Then
// it goes into hashed, with care for the baselines that there are, and in any case
// into this table.
func TestHashKnowsEveryField(t *testing.T) {
	for kind, known := range map[reflect.Type][]string{
		reflect.TypeFor[scenarios.Scenario]():   {"Name", "Title", "Question", "Sources", "Load", "SLO", "Before", "After", "Kinds", "Claims", "Oracles", "Gate"},
		reflect.TypeFor[scenarios.Topology]():   {"Label", "Entry", "Entries", "Machines"},
		reflect.TypeFor[scenarios.Machine]():    {"Name", "Group", "Size", "VCPU", "MemoryGiB", "QuotaShare", "External", "Processes"},
		reflect.TypeFor[scenarios.Process]():    {"Name", "Kind", "Facts", "Port", "Settings", "Seed", "SeedFiles", "Links", "Service"},
		reflect.TypeFor[scenarios.Link]():       {"Role", "To"},
		reflect.TypeFor[scenarios.Load]():       {"Arrivals", "Timeout", "RequestsPerUserPerS", "Keys", "Mix", "MaxInFlight", "Connections", "WarmupSeconds"},
		reflect.TypeFor[scenarios.Keys]():       {"Distribution", "Exponent", "Count"},
		reflect.TypeFor[scenarios.Endpoint]():   {"Name", "Method", "Path", "Body", "Weight", "Expect", "From", "Session", "Object", "Version", "Creates", "ID"},
		reflect.TypeFor[scenarios.Extractor]():  {"From", "Name"},
		reflect.TypeFor[scenarios.Service]():    {"Image", "Build", "Command", "Env", "Files", "Ready", "Data", "Limits", "Counters", "Attach"},
		reflect.TypeFor[scenarios.Build]():      {"Context", "Dockerfile", "Target", "Args", "Dir"},
		reflect.TypeFor[scenarios.File]():       {"Path", "From", "SHA256", "Content"},
		reflect.TypeFor[scenarios.Ready]():      {"HTTP", "TCP", "Command", "Within"},
		reflect.TypeFor[scenarios.Exposition](): {"Path", "Names"},
	} {
		var fields []string
		for i := range kind.NumField() {
			fields = append(fields, kind.Field(i).Name)
		}
		if !slices.Equal(fields, known) {
			t.Errorf("%s has the fields %q, and the hash knows %q", kind, fields, known)
		}
	}
}
