package drive

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func TestParseTargets(t *testing.T) {
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "# a comment\n\nGET http://127.0.0.1:1/a\nGET http://127.0.0.1:1/b\n\nPOST http://127.0.0.1:1/c\n# another\nX-A: 1\nX-A: 2\n@" + body + "\n\nDELETE http://127.0.0.1:1/d"
	got, err := ParseTargets([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []vegeta.Target{
		{Method: "GET", URL: "http://127.0.0.1:1/a"},
		{Method: "GET", URL: "http://127.0.0.1:1/b"},
		{Method: "POST", URL: "http://127.0.0.1:1/c", Body: []byte("content"), Header: map[string][]string{"X-A": {"1", "2"}}},
		{Method: "DELETE", URL: "http://127.0.0.1:1/d"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d targets, want %d", len(got), len(want))
	}
	for i := range want {
		if !got[i].Equal(&want[i]) {
			t.Errorf("target %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestParseTargetsRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                                                 "names none",
		"# nothing\n":                                      "names none",
		"\nhttp://127.0.0.1/\n":                            "targets:2: bad target",
		"get http://127.0.0.1/\n":                          "bad method",
		"GET /relative\n":                                  "targets:1: base_url",
		"GET http://a/\nno header\n\n":                     "bad header",
		"GET http://a/\nA: b\nGET http://a/\n":             "targets:3: a blank line",
		"GET http://a/\n\nGET http://b/\n":                 "targets:3: it is at http://b",
		"GET http://a/\n@/no/such/file\n":                  "targets:2: body",
		"GET http://a/\n@/dev/zero\n":                      "plain file",
		"GET http://a/\n@" + os.TempDir() + "\n":           "plain file",
		"GET http://a/\nContent-Length: 5\n":               "driver's own",
		"GET http://a/\nA: " + strings.Repeat("x", 70_000): "beyond the limit",
	} {
		if _, err := ParseTargets([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: error %v, want one that says %q", text, err, says)
		}
	}
}

// What is accepted is what vegeta itself reads from the file.
func FuzzParseTargets(f *testing.F) {
	f.Add("GET http://127.0.0.1:1/a\n\nPOST http://127.0.0.1:1/c\nX-A: 1\n")
	f.Add("GET http://a/\nGET http://a/b\n# c\n\nGET http://a/c\nA:b\n#d\nE:f")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "@") {
			return // would read files
		}
		got, err := ParseTargets([]byte(text))
		if err != nil {
			return
		}
		// vegeta loses a target when a comment follows one without headers.
		var plain bytes.Buffer
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				plain.WriteString(line)
			}
		}
		want, err := vegeta.ReadAllTargets(vegeta.NewHTTPTargeter(&plain, nil, nil))
		if err != nil && !errors.Is(err, vegeta.ErrNoTargets) {
			t.Fatalf("vegeta refuses what is accepted: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read %v, vegeta %v", got, want)
		}
	})
}
