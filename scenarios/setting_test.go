// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

// One setting of each type, with bounds that are no type's own.
var (
	someInt      = scenarios.Int("pool", 8, 1, 1000, "connections")
	someDuration = scenarios.Duration("ttl", 5*time.Minute, time.Millisecond, 2*time.Hour, "how long")
	someShare    = scenarios.Share("burn", "0%", "how much")
	someSize     = scenarios.Size("memory", "256MB", "how large")
	boundedSize  = scenarios.Size("buffers", "256MB", "how large").From("64MB", "2MB")
	someEnum     = scenarios.Enum("email", "where to", "background", "inline", "queue")
)

// A value is kept as one who reads it next writes it: whatever the file wrote.
func TestSettingsAreKeptAsTheyAreRead(t *testing.T) {
	for _, test := range []struct {
		spec       scenarios.SettingSpec
		text, want string
	}{
		{someInt.SettingSpec, "8", "8"}, {someInt.SettingSpec, "1_000", "1000"}, {someInt.SettingSpec, "007", "7"},
		{someInt.SettingSpec, "1", "1"}, {someInt.SettingSpec, "1000", "1000"}, // the bounds
		{someDuration.SettingSpec, "90s", "1m30s"}, {someDuration.SettingSpec, "1.5h", "1h30m0s"}, {someDuration.SettingSpec, "1ms", "1ms"},
		{someDuration.SettingSpec, "2h", "2h0m0s"}, {someDuration.SettingSpec, "7200000ms", "2h0m0s"},
		{someShare.SettingSpec, "0%", "0%"}, {someShare.SettingSpec, "2.5%", "2.5%"}, {someShare.SettingSpec, "100%", "100%"},
		{someSize.SettingSpec, "1kB", "1kB"}, {someSize.SettingSpec, "512MB", "512MB"}, {someSize.SettingSpec, "1048576GB", "1048576GB"}, // 1 PiB
		{boundedSize.SettingSpec, "64MB", "64MB"}, {boundedSize.SettingSpec, "66MB", "66MB"}, {boundedSize.SettingSpec, "67584kB", "67584kB"},
		{someEnum.SettingSpec, "background", "background"}, {someEnum.SettingSpec, "queue", "queue"},
	} {
		if got, err := test.spec.Read(test.text); err != nil || got != test.want {
			t.Errorf("%s %q is kept as %q, %v; want %q", test.spec.Type, test.text, got, err, test.want)
		}
	}
}

func TestSettingsRefuse(t *testing.T) {
	const noInt, noTime, noShare, noSize = "is not a whole number", "is not a time with a unit: write for example 250ms or 5s",
		"is not a share with its unit: write for example 30%", "is not a size with its unit: write for example 256MB"
	for _, test := range []struct {
		spec       scenarios.SettingSpec
		text, want string
	}{
		{someInt.SettingSpec, "0", "0 is out of range: at least 1 and at most 1000"}, {someInt.SettingSpec, "1001", "1001 is out of range: at least 1 and at most 1000"},
		{someInt.SettingSpec, "-1", "out of range"}, {someInt.SettingSpec, "8.5", `"8.5" ` + noInt}, {someInt.SettingSpec, "", noInt}, {someInt.SettingSpec, "0x10", noInt},
		{someInt.SettingSpec, "99999999999999999999", noInt},
		{someDuration.SettingSpec, "999us", "999µs is out of range: at least 1ms and at most 2h0m0s"}, {someDuration.SettingSpec, "2h0m0.000000001s", "out of range"},
		{someDuration.SettingSpec, "-5s", "out of range"}, {someDuration.SettingSpec, "90", `"90" ` + noTime}, {someDuration.SettingSpec, "", noTime}, {someDuration.SettingSpec, "1d", noTime},
		{someShare.SettingSpec, "0.0%", `"0.0%" must be above 0% and at most 100%`}, {someShare.SettingSpec, "100.1%", "at most 100%"}, {someShare.SettingSpec, "-1%", "above 0%"},
		{someShare.SettingSpec, "NaN%", "above 0%"}, {someShare.SettingSpec, "30", `"30" ` + noShare}, {someShare.SettingSpec, "%", noShare},
		{someSize.SettingSpec, "256", `"256" ` + noSize}, {someSize.SettingSpec, "0MB", noSize}, {someSize.SettingSpec, "1.5MB", noSize}, {someSize.SettingSpec, "64mb", noSize},
		{someSize.SettingSpec, "64MiB", noSize}, {someSize.SettingSpec, " 64MB", noSize}, {someSize.SettingSpec, "-1MB", noSize},
		{someSize.SettingSpec, "1048577GB", `"1048577GB" is more than a machine has`},
		{boundedSize.SettingSpec, "62MB", "62MB is out of range: at least 64MB and a multiple of 2MB"}, {boundedSize.SettingSpec, "65MB", "65MB is out of range"},
		{boundedSize.SettingSpec, "65537kB", "out of range"}, {boundedSize.SettingSpec, "64", `"64" ` + noSize}, {boundedSize.SettingSpec, "1048577GB", "more than a machine has"},
		{scenarios.SettingSpec{Type: scenarios.TypeSize, Min: "1MB"}, "5MB", `its bounds "1MB" and "" are no sizes`},
		{scenarios.SettingSpec{Type: scenarios.TypeSize, Step: "1MB"}, "5MB", `its bounds "" and "1MB" are no sizes`},
		{someEnum.SettingSpec, "inlin", `"inlin" is not known; did you mean "inline"?`}, {someEnum.SettingSpec, "Queue", `did you mean "queue"?`},
		{someEnum.SettingSpec, "nowhere", `"nowhere" is not known; known are background, inline, queue`},
		{scenarios.SettingSpec{Type: scenarios.TypeInt, Min: "1", Max: "many"}, "5", `its bounds "1" and "many" are no whole numbers`},
		{scenarios.SettingSpec{Type: scenarios.TypeDuration, Max: "1s"}, "5ms", `its bounds "" and "1s" are no times`},
	} {
		if got, err := test.spec.Read(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: %q, %v; want %q", test.spec.Type, test.text, got, err, test.want)
		}
	}
}

// What a setting's maker says stands in its data: a parser needs no more.
func TestSettingsAsData(t *testing.T) {
	for _, test := range []struct {
		spec                             scenarios.SettingSpec
		name, typ, fallback, least, most string
	}{
		{someInt.SettingSpec, "pool", scenarios.TypeInt, "8", "1", "1000"},
		{someDuration.SettingSpec, "ttl", scenarios.TypeDuration, "5m0s", "1ms", "2h0m0s"},
		{someShare.SettingSpec, "burn", scenarios.TypeShare, "0%", "", ""},
		{someSize.SettingSpec, "memory", scenarios.TypeSize, "256MB", "", ""},
		{boundedSize.SettingSpec, "buffers", scenarios.TypeSize, "256MB", "64MB", ""},
		{someEnum.SettingSpec, "email", scenarios.TypeEnum, "background", "", ""},
	} {
		s := test.spec
		if s.Name != test.name || s.Type != test.typ || s.Default != test.fallback || s.Min != test.least || s.Max != test.most || s.About == "" {
			t.Errorf("got %+v, want %+v", s, test)
		}
		if s.HideDefault || s.RelevantWhen != nil {
			t.Errorf("%s: says that its default tells nothing: %+v", s.Name, s)
		}
		if got, err := s.Read(s.Default); err != nil || got != s.Default {
			t.Errorf("%s: its default %q is read as %q, %v", s.Name, s.Default, got, err)
		}
	}
}

// A kB is 1,024 bytes. Settings that are not there have their default.
func TestSettingsAsValues(t *testing.T) {
	if got := someInt.Of(map[string]string{"pool": "12", "ttl": "none"}); got != 12 {
		t.Errorf("the int is %d", got)
	}
	if got := someDuration.Of(map[string]string{"ttl": "1m30s"}); got != 90*time.Second {
		t.Errorf("the time is %v", got)
	}
	for text, want := range map[string]float64{"0%": 0, "2.5%": 0.025, "100%": 1} {
		if got := someShare.Of(map[string]string{"burn": text}); math.Abs(got-want) > 1e-15 {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]int64{"1kB": 1024, "3MB": 3 << 20, "2GB": 2 << 30, "1048576GB": 1 << 50} {
		if got := someSize.Of(map[string]string{"memory": text}); got != want {
			t.Errorf("%s is %d bytes, want %d", text, got, want)
		}
	}
	if got := someEnum.Of(map[string]string{"email": "queue"}); got != "queue" {
		t.Errorf("the word is %q", got)
	}
	if a, b, c, d, e := someInt.Of(nil), someDuration.Of(nil), someShare.Of(map[string]string{}), someSize.Of(map[string]string{"other": "1kB"}), someEnum.Of(nil); a != 8 ||
		b != 5*time.Minute || c != 0 || d != 256<<20 || e != "background" {
		t.Errorf("the defaults are %v, %v, %v, %v, %q", a, b, c, d, e)
	}
}

// Whoever asks for a value has checked it before: what is none is a fault of the
// program, not of its user.
func TestSettingsThatNobodyChecked(t *testing.T) {
	for name, ask := range map[string]func(map[string]string){
		"pool":   func(s map[string]string) { someInt.Of(s) },
		"ttl":    func(s map[string]string) { someDuration.Of(s) },
		"burn":   func(s map[string]string) { someShare.Of(s) },
		"memory": func(s map[string]string) { someSize.Of(s) },
		"email":  func(s map[string]string) { someEnum.Of(s) },
	} {
		for _, text := range []string{"", "100000000"} {
			said := panicOf(func() { ask(map[string]string{name: text}) })
			if !strings.HasPrefix(said, "setting "+name+" was not checked: ") {
				t.Errorf("%s of %q: %q, want a panic that names the setting", name, text, said)
			}
		}
	}
}

// panicOf is what a function panics with; "" when the function returns.
func panicOf(f func()) (said string) {
	defer func() {
		if text, is := recover().(string); is {
			said = text
		}
	}()
	f()
	return ""
}

// A condition or a quiet default alters a copy: the setting itself may be shared.
func TestSettingsWithAndWithoutCompany(t *testing.T) {
	if boundedSize.Step != "2MB" || someSize.Min != "" || someSize.Step != "" {
		t.Errorf("with bounds %+v, without %+v", boundedSize.SettingSpec, someSize.SettingSpec)
	}
	linked := someInt.When(scenarios.Condition{Link: scenarios.RoleCache})
	quiet := someShare.HidingDefault()
	if len(linked.RelevantWhen) != 1 || linked.RelevantWhen[0].Link != scenarios.RoleCache || linked.HideDefault || someInt.RelevantWhen != nil {
		t.Errorf("with a condition %+v, without %+v", linked.SettingSpec, someInt.SettingSpec)
	}
	if !quiet.HideDefault || quiet.RelevantWhen != nil || someShare.HideDefault {
		t.Errorf("quiet %+v, telling %+v", quiet.SettingSpec, someShare.SettingSpec)
	}
	if got := linked.Of(map[string]string{"pool": "3"}); got != 3 {
		t.Errorf("with a condition the setting reads %d", got)
	}
}
