// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"reflect"
	"slices"
	"testing"
)

// What tells a secret by its name, and what holds one in a URL or in words.
func TestMaskedValues(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"POSTGRES_PASSWORD", "x", Mask}, {"clientSecret", "x", Mask}, {"GITHUB_TOKEN", "x", Mask}, {"API_KEY", "x", Mask}, {"AWS_CREDENTIALS", "x", Mask}, {"SENTRY_DSN", "x", Mask},
		{"DB_PASS", "x", Mask}, {"PGPASSFILE", "x", Mask}, {"mysqlPwd", "x", Mask}, {"REDISCLI_AUTH", "x", Mask},
		{"POSTGRES_PASSWORD", "", ""},
		{"LEVEL", "debug", "debug"},
		{"URL", "postgres://app@{database}/app", "postgres://app@{database}/app"},
		{"URL", "postgres://app:pw@{database}/app?a=b@c", "postgres://app:***@{database}/app?a=b@c"},
		{"URL", "redis://:p@ss@{cache}", "redis://:***@{cache}"},
		{"URLS", "amqp://a:1@x:5672,amqp://b:2@y", "amqp://a:***@x:5672,amqp://b:***@y"},
		{"URL", "http://host:80/a@b", "http://host:80/a@b"},
		{"OPTIONS", "host=db password=pw user=app", "host=db password=*** user=app"},
		{"URL", "jdbc:postgresql://db/app?user=a&password=pw&ssl=on", "jdbc:postgresql://db/app?user=a&password=***&ssl=on"},
		{"OPTIONS", "host=db passwd='two words' user=app", "host=db passwd=*** user=app"},
		{"OPTIONS", `pass="two words"&db_pwd=x&b=1`, "pass=***&db_pwd=***&b=1"},
		{"OPTIONS", "password='a'b,token='open", "password=***,token=***"},
		{"OPTIONS", "api-key=x;SIGN_KEY=y;redis_auth=z", "api-key=***;SIGN_KEY=***;redis_auth=***"},
		{"OPTIONS", "-Dfast --password s3cret --db-token 'two words' -v", "-Dfast --password *** --db-token *** -v"},
		{"OPTIONS", "--token --verbose a -pass", "--token --verbose a -pass"},
		{"OPTIONS", "passes=3 keys=4 monkey business", "passes=3 keys=4 monkey business"},
		{"$1", "postgres://$1:${1}@db", "postgres://$1:***@db"},
	} {
		values := map[string]string{test.name: test.value}
		once := maskedValues(values)
		if once[test.name] != test.want || values[test.name] != test.value {
			t.Errorf("%s=%s is masked as %q, want %q, and now %q itself", test.name, test.value, once[test.name], test.want, values[test.name])
		}
		if twice := maskedValues(once); !reflect.DeepEqual(twice, once) {
			t.Errorf("%s=%s masked once more is %q", test.name, test.value, twice)
		}
	}
	if got := maskedValues(nil); got != nil {
		t.Errorf("no variables are %v", got)
	}
}

// A command names a secret by the flag before it, or sets a flag or a variable to it.
func TestMaskedWords(t *testing.T) {
	for _, test := range []struct{ words, want []string }{
		{[]string{"valkey-server", "--requirepass", "s3cret", "--port", "6379"}, []string{"valkey-server", "--requirepass", Mask, "--port", "6379"}},
		{[]string{"run", "--password", "two words", "more"}, []string{"run", "--password", Mask, "more"}},
		{[]string{"run", "--password=two words", "-auth=x"}, []string{"run", "--password=***", "-auth=***"}},
		{[]string{"env", "PGPASSWORD=s3cret", "API_AUTH_ID=x", "psql", "-v", "ON_ERROR_STOP=1"}, []string{"env", "PGPASSWORD=***", "API_AUTH_ID=***", "psql", "-v", "ON_ERROR_STOP=1"}},
		{[]string{"sh", "-c", "PGPASSWORD=s3cret psql -f a.sql; run --token s3cret now"}, []string{"sh", "-c", "PGPASSWORD=*** psql -f a.sql; run --token *** now"}},
		{[]string{"run", "--no-auth", "--fast", "token", "it", "--password", ""}, []string{"run", "--no-auth", "--fast", "token", "it", "--password", ""}},
		{[]string{"--token"}, []string{"--token"}},
	} {
		before := slices.Clone(test.words)
		once := maskedWords(test.words)
		if !slices.Equal(once, test.want) || !slices.Equal(test.words, before) {
			t.Errorf("%q is masked as %q, want %q, and now %q itself", before, once, test.want, test.words)
		}
		if twice := maskedWords(once); !slices.Equal(twice, once) {
			t.Errorf("%q masked once more is %q", before, twice)
		}
	}
	if got := maskedWords(nil); got != nil {
		t.Errorf("no words are %q", got)
	}
}

// The seed of each process, whatever runs it, and what is asked for by HTTP may hold
// secrets too.
func TestMaskedSeedsAndPaths(t *testing.T) {
	counters := &Exposition{Path: "/metrics?token=s3cret", Names: map[Meaning]string{MeaningQueued: "jobs"}}
	topology := Topology{Machines: []Machine{{Name: "m", Processes: []Process{
		{Name: "db", Seed: []string{"load", "postgres://app:s3cret@far/db", "--token", "s3cret"}},
		{Name: "app", Service: &Service{Ready: Ready{HTTP: "/up?key=s3cret&a=b"}, Counters: counters}},
	}}}}
	s := &Scenario{Before: topology, After: topology}
	masked := s.Masked()
	for _, v := range Variants() {
		processes := masked.Topology(v).Machines[0].Processes
		if got, want := processes[0].Seed, []string{"load", "postgres://app:***@far/db", "--token", Mask}; !slices.Equal(got, want) {
			t.Errorf("%s: the seed is %q, want %q", v, got, want)
		}
		if got := processes[1].Service; got.Ready.HTTP != "/up?key=***&a=b" || got.Counters.Path != "/metrics?token=***" || got.Counters.Names[MeaningQueued] != "jobs" {
			t.Errorf("%s: the paths are %q and %+v", v, got.Ready.HTTP, got.Counters)
		}
	}
	if topology.Machines[0].Processes[0].Seed[3] != "s3cret" || counters.Path != "/metrics?token=s3cret" {
		t.Errorf("the scenario itself has become %+v, %+v", topology, counters)
	}
	if want := []string{"load 'postgres://app:***@far/db' --token '***'"}; !slices.Equal(s.Seeds(), want) || !slices.Equal(masked.Seeds(), want) {
		t.Errorf("people read %q and %q, want %q", s.Seeds(), masked.Seeds(), want)
	}
	if d := s.Before.Datasets(); len(d) != 1 || d[0].Command() != s.Seeds()[0] || d[0].Process.Seed[3] != "s3cret" {
		t.Errorf("the datasets are %+v", d)
	}
	other := Process{Name: "db", Seed: []string{"load"}}
	changed := &Scenario{After: topology, Before: Topology{Machines: []Machine{{Name: "m", Processes: []Process{other, topology.Machines[0].Processes[1]}}}}}
	if want := []string{"~ m/db: seed: load becomes " + s.Seeds()[0]}; !slices.Equal(changed.Differences(), want) {
		t.Errorf("the differences are %q, want %q", changed.Differences(), want)
	}
	if !masked.SharesData(masked) || !reflect.DeepEqual(masked.Masked(), masked) {
		t.Error("masked once more it is another")
	}
}

// What is written down has no secret, and what runs has them still.
func TestMaskedScenario(t *testing.T) {
	service := &Service{
		Env: map[string]string{"DB_PASSWORD": "s3cret", "LEVEL": "1"}, Command: []string{"run", "--url=http://a:s3cret@b"},
		Build: &Build{Context: ".", Args: map[string]string{"NPM_TOKEN": "s3cret"}}, Ready: Ready{Command: []string{"check", "password=s3cret"}},
	}
	topology := Topology{Machines: []Machine{{Name: "m", Processes: []Process{{Name: "other"}, {Name: "app", Service: service}}}}}
	s := &Scenario{Name: "own", Before: topology, After: topology}
	masked := s.Masked()
	want := Service{
		Env: map[string]string{"DB_PASSWORD": Mask, "LEVEL": "1"}, Command: []string{"run", "--url=http://a:***@b"},
		Build: &Build{Context: ".", Args: map[string]string{"NPM_TOKEN": Mask}}, Ready: Ready{Command: []string{"check", "password=***"}},
	}
	for _, v := range Variants() {
		if got := *masked.Topology(v).Machines[0].Processes[1].Service; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", v, got, want)
		}
		if got := s.Topology(v).Machines[0].Processes[1].Service; got != service || got.Env["DB_PASSWORD"] != "s3cret" || got.Command[1] != "--url=http://a:s3cret@b" ||
			got.Build.Args["NPM_TOKEN"] != "s3cret" || got.Ready.Command[1] != "password=s3cret" {
			t.Errorf("%s: the scenario itself has become %+v", v, got)
		}
	}
	if !reflect.DeepEqual(masked.Masked(), masked) {
		t.Error("masked once more it is another")
	}
	if masked.Name != "own" || masked.Before.Machines[0].Processes[0].Name != "other" {
		t.Errorf("the rest has become %+v", masked)
	}
}
