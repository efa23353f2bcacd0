// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"reflect"
	"testing"
)

// What tells a secret by its name, and what holds one in a URL or in words.
func TestMaskedValues(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"POSTGRES_PASSWORD", "x", Mask}, {"clientSecret", "x", Mask}, {"GITHUB_TOKEN", "x", Mask}, {"API_KEY", "x", Mask}, {"AWS_CREDENTIALS", "x", Mask}, {"SENTRY_DSN", "x", Mask},
		{"POSTGRES_PASSWORD", "", ""},
		{"LEVEL", "debug", "debug"},
		{"URL", "postgres://app@{database}/app", "postgres://app@{database}/app"},
		{"URL", "postgres://app:pw@{database}/app?a=b@c", "postgres://app:***@{database}/app?a=b@c"},
		{"URL", "redis://:p@ss@{cache}", "redis://:***@{cache}"},
		{"URLS", "amqp://a:1@x:5672,amqp://b:2@y", "amqp://a:***@x:5672,amqp://b:***@y"},
		{"URL", "http://host:80/a@b", "http://host:80/a@b"},
		{"OPTIONS", "host=db password=pw user=app", "host=db password=*** user=app"},
		{"URL", "jdbc:postgresql://db/app?user=a&password=pw&ssl=on", "jdbc:postgresql://db/app?user=a&password=***&ssl=on"},
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
