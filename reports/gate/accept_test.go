package gate

import (
	"strings"
	"testing"
	"time"
)

const acceptText = `# known
- metric: cpu app
  up_to: 8%
  reason: the new serializer, see issue 12
  until: 2027-03-31
`

func TestAccept(t *testing.T) {
	accepted, err := ParseAccept("a.yaml", []byte(acceptText))
	if err != nil || len(accepted) != 1 {
		t.Fatalf("%+v, %v", accepted, err)
	}
	lastDay := time.Date(2027, 3, 31, 23, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		key   string
		ratio float64
		now   time.Time
		want  Status
		note  string
	}{
		{"cpu app", 1.07, lastDay, StatusAccepted, ""},
		{"cpu app", 1.07, lastDay.Add(time.Hour), StatusRegression, "accepted until 2027-03-31: that has expired"},
		{"cpu app", 1.09, lastDay, StatusRegression, "up to +8%, and this is +9.0%"},
		{"cpu database", 1.07, lastDay, StatusRegression, ""},
	} {
		got, notes := Accept([]Timed{{Key: test.key, Ratio: test.ratio, Status: StatusRegression}}, accepted, test.now)
		if got[0].Status != test.want || !strings.Contains(strings.Join(notes, ""), test.note) || (test.note == "") != (len(notes) == 0) {
			t.Errorf("%s %v: %s, notes %q", test.key, test.ratio, got[0].Status, notes)
		}
	}
}

func TestAcceptRefuses(t *testing.T) {
	for name, test := range map[string]struct{ old, new, want string }{
		"no metric":    {"metric: cpu app", "metric: ''", "a.yaml:2: metric is missing"},
		"no reason":    {"reason: the new serializer, see issue 12", "reason: ''", "a.yaml:2: cpu app: reason is missing"},
		"no percent":   {"8%", "'8'", `up_to is "8"`},
		"no day":       {"2027-03-31", "soon", `until is "soon"`},
		"unknown key":  {"reason:", "because:", "a.yaml:4:"},
		"not YAML":     {"- metric", "metric: [", "a.yaml:"},
		"below 0":      {"8%", "-8%", "up_to"},
		"not a number": {"8%", "NaN%", "up_to"},
	} {
		_, err := ParseAccept("a.yaml", []byte(strings.Replace(acceptText, test.old, test.new, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	if a, err := ParseAccept("a.yaml", []byte("# nothing\n")); err != nil || len(a) != 0 {
		t.Errorf("an empty file: %v, %v", a, err)
	}
}

func TestHistory(t *testing.T) {
	const text = `{"scenario":"phase3","commit":"a","verdict":"regression"}
{"scenario":"phase1","commit":"a","verdict":"pass"}
{"scenario":"phase3","commit":"a","verdict":"regression"}
{"scenario":"phase3","commit":"a","verdict":"pass"}
{"scenario":"phase3","commit":"b","verdict":"regression"}
{"scenario":"phase3","commit":"c","verdict":"pass"}
{"scenario":"phase3","commit":"","verdict":"regression"}
{"scenario":"phase3","commit":"","verdict":"pass"}
{"scenario":"phase3","commit":"c","verdict":"no verdict"}
`
	history, err := ReadHistory("h", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := FalseAlarms(history), (Rate{Gates: 9, Red: 4, FalseAlarms: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := ReadHistory("h", strings.NewReader(text+"{")); err == nil || !strings.Contains(err.Error(), "h:10:") {
		t.Errorf("a cut line: %v", err)
	}
}
