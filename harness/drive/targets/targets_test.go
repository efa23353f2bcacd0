// SPDX-License-Identifier: Apache-2.0

package targets

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive/mix"
)

func parse(text string, o Options) ([]vegeta.Target, error) {
	return Parse(strings.NewReader(text), o)
}

// same compares all of two lists, names of headers in their spelling.
func same(t *testing.T, text string, got, want []vegeta.Target) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%.200q: %d targets, want %d", text, len(got), len(want))
	}
	for i := range want {
		if got[i].Method != want[i].Method || got[i].URL != want[i].URL || string(got[i].Body) != string(want[i].Body) ||
			!maps.EqualFunc(got[i].Header, want[i].Header, slices.Equal) {
			t.Fatalf("%.200q: target %d is %+v, want %+v", text, i, got[i], want[i])
		}
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What is given is in the targets, be it empty, in lower case, or the last line
// without an end.
func TestParse(t *testing.T) {
	body, empty := writeFile(t, "content"), writeFile(t, "")
	get := vegeta.Target{Method: "GET", URL: "http://h/a"}
	for _, test := range []struct {
		text string
		o    Options
		want []vegeta.Target
	}{
		{text: "GET http://h/a", want: []vegeta.Target{get}},
		{text: "\xef\xbb\xbfGET http://h/a\n", want: []vegeta.Target{get}},
		{text: "\xef\xbb\xbf" + `{"method":"GET","url":"http://h/a"}`, want: []vegeta.Target{get}},
		{text: "# c\n \n\t{\"method\":\"GET\",\"url\":\"http://h/a\"}\n# c\n\n", want: []vegeta.Target{get}},
		{text: "\r\n#{\r\nGET \t http://h/a \r\n# c\r\nGET http://h/a\r\n\r\n", want: []vegeta.Target{get, get}},
		{text: "GET http://h/a\n# a comment is no header\nGET http://h/a\n", want: []vegeta.Target{get, get}},
		{text: "GET http://h/a\nX-Empty:\nx-two: 2\n", want: []vegeta.Target{{Method: "GET", URL: "http://h/a", Header: http.Header{"X-Empty": {""}, "x-two": {"2"}}}}},
		{text: "GET http://h/a\nX-A:  1 : 2 \nx-a: 3\nX-A:2\n", want: []vegeta.Target{{Method: "GET", URL: "http://h/a", Header: http.Header{"X-A": {"1 : 2", "2"}, "x-a": {"3"}}}}},
		{text: "M-SEARCH http://h/a\n", want: []vegeta.Target{{Method: "M-SEARCH", URL: "http://h/a"}}},
		{text: "GET http://u:p%40@h/a\n", want: []vegeta.Target{{Method: "GET", URL: "http://u:p%40@h/a"}}},
		{
			text: "POST http://h/a\n@" + body + "\nPOST http://h/a\n\nPOST http://h/a\n@" + empty, o: Options{Body: []byte("default")},
			want: []vegeta.Target{{Method: "POST", URL: "http://h/a", Body: []byte("content")}, {Method: "POST", URL: "http://h/a", Body: []byte("default")}, {Method: "POST", URL: "http://h/a"}},
		},
		{
			text: `{"method":"PUT","url":"http://h/a","body":""}` + "\n" + `{"method":"PUT","url":"http://h/a","body":null,"header":null}` + "\n" + `{"header":{"a":["","b"],"C":[],"d":null},"body":"eA==","method":"PUT","url":"http:\/\/h/\u0061"}`,
			o:    Options{Body: []byte("default")},
			want: []vegeta.Target{{Method: "PUT", URL: "http://h/a"}, {Method: "PUT", URL: "http://h/a", Body: []byte("default")}, {Method: "PUT", URL: "http://h/a", Body: []byte("x"), Header: http.Header{"a": {"", "b"}, "C": {}, "d": {}}}},
		},
		{
			text: "GET http://h/a\nX-A: own\nx-a: b\n\nGET http://h/a\n", o: Options{Format: FormatHTTP, Header: http.Header{"X-A": {"default"}}},
			want: []vegeta.Target{{Method: "GET", URL: "http://h/a", Header: http.Header{"X-A": {"default", "own"}, "x-a": {"b"}}}, {Method: "GET", URL: "http://h/a", Header: http.Header{"X-A": {"default"}}}},
		},
	} {
		got, err := parse(test.text, test.o)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		same(t, test.text, got, test.want)
	}
}

// refuses says that every text is refused with the list's name, the words and
// no secret.
func refuses(t *testing.T, texts map[string]string) {
	t.Helper()
	for text, says := range texts {
		_, err := parse(text, Options{Name: "list"})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "list") {
			t.Errorf("%.60q: error %v, want one that says %q", text, err, says)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows a secret: %v", text, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const ok = "GET http://h/\n"
	refuses(t, map[string]string{
		"":                                            "list names no target: write",
		"# nothing\n":                                 "names no target",
		"\nhttp://u:secret@127.0.0.1/\n":              "list:2: the line has no method",
		"get http://127.0.0.1/\n":                     "list:1: method \"get\": HTTP methods are case-sensitive and in upper case: write GET",
		"Get http://127.0.0.1/\n":                     "write GET",
		"GET\n":                                       "list:1: \"GET\" is no request",
		"GET /relative\n":                             "list:1: /relative must be an http or https URL",
		"GET ftp://h/\n":                              "list:1: ftp://h/ must be an http or https URL",
		"GET http://h/a HTTP/1.1\nHost: shop\n":       "list:1: leave out HTTP/1.1",
		"GET http://h/a\tHTTP/2\n":                    "list:1: leave out HTTP/2",
		"GET http://h/a b\n":                          "%20",
		"GET http://h/?a b\n":                         "%20",
		"GET http://h/#a\n":                           "%23",
		"GET http://h:0/\n":                           "list:1: http://h:0/: the port must be 1 to 65535",
		"CONNECT http://h/\n":                         "CONNECT",
		"G\x00ET http://h/\n":                         "list:1: method",
		ok + "no header\n\n":                          "list:2: \"no header\" is no header",
		ok + ": value\n":                              "list:2: \": value\" is no header",
		ok + "Ab c: d\n":                              "a name holds no blank",
		ok + "get http://h/\n":                        "list:2: header \"get http\": a name holds no blank; if this is the next target",
		ok + "Bäd: c\n":                               "list:2: header",
		ok + "A: b\x00\n":                             "list:2: header \"A\" cannot be sent",
		ok + "A: b\nGET http://h/\n":                  "list:3: a blank line",
		ok + "\nA: b\n":                               "list:3: \"A\" is no request: if it is a header",
		ok + "\nAuthorization:secret\n":               "list:3: \"Authorization\" is no request",
		ok + "\nGET http://b/\n":                      "list:3: it is at http://b",
		ok + "@/no/such/file\n":                       "list:2: body",
		ok + "@\n":                                    "list:2: body",
		"@body\n" + ok:                                "list:1: a body stands here without its target",
		ok + "@/dev/zero\n":                           "plain file",
		ok + "@" + os.TempDir() + "\n":                "plain file",
		ok + "Content-Length: 5\n":                    "list:1: header Content-Length is \"5\" and the body has 0 bytes",
		ok + "transfer-encoding: chunked\n":           "list:2: header \"transfer-encoding\" cannot be sent: the driver sends",
		"GET http://u:p@h/\nauthorization: x\n":       "list:1: there are credentials in the URL and an Authorization header",
		ok + "A: " + strings.Repeat("x", maxHTTPLine): "beyond the limit",
		"\xff\xfeG\x00E\x00T\x00":                     "UTF-16",
		"\xfe\xff\x00G\x00E\x00T":                     "UTF-16",
		ok + `{"method":"GET","url":"http://h/"}`:     "list:2: ",
	})
}

func TestParseRefusesJSON(t *testing.T) {
	refuses(t, map[string]string{
		"{\n\"method\":\"GET\",\"url\":\"http://h/\"}\n": "list:1: the line ends within the object",
		`{"method":"GET"`:                                                   "the line ends within",
		`{"method":"GET","url":"http://h/"} {}`:                             "something follows the object",
		`{"method":"GET","url":"http://h/"},`:                               "something follows the object",
		"{\"method\":\"GET\",\"url\":\"http://h/\"}\n[]":                    "list:2: the line is no JSON object",
		`{"method":"GET","url":"http://h/","X":1}`:                          `list:1: the key "X" is unknown`,
		`{"Method":"GET","url":"http://h/"}`:                                `the key "Method" is unknown`,
		`{"method":"GET","url":"http://h/","url":"http://h/"}`:              `the key "url" stands twice`,
		`{"method":"GET","url":"http://h/","header":{"A":["1"],"A":["1"]}}`: `the key "A" stands twice`,
		`{"method":"GET","url":"http://h/","header":{"A":"1"}}`:             `header "A" must be a list of texts`,
		`{"method":"GET","url":"http://h/","header":{"A":[null]}}`:          `header "A" must be a list of texts`,
		`{"method":"GET","url":"http://h/","header":["A"]}`:                 `"header" must be an object`,
		`{"method":"GET","url":"http://h/","header":{"A":["\n"]}}`:          `header "A" cannot be sent`,
		`{"method":"GET","url":"http://h/","body":"a"}`:                     "base64",
		`{"method":"GET","url":"http://h/","body":{"a":1}}`:                 "base64",
		`{"method":1,"url":"http://h/"}`:                                    `"method" must be a text`,
		`{"method":"GET","url":"http://h/\ud800"}`:                          "half a character",
		"{\"method\":\"GET\",\"url\":\"http://h/\xff\"}":                    "not UTF-8",
		`{"method":"GET","url":null}`:                                       `"method" and "url" must be given`,
		`{"url":"http://h/"}`:                                               `"method" and "url" must be given`,
		`{"method":"get","url":"http://h/"}`:                                "write GET",
		`{method:"GET"}`:                                                    "no JSON at byte",
	})
}

func TestParseRefusesOptions(t *testing.T) {
	const ok = "GET http://h/\n"
	for _, test := range []struct {
		text string
		o    Options
		says string
	}{
		{ok, Options{Format: "yaml"}, `"yaml"`},
		{ok, Options{Format: FormatJSON}, "targets:1: the line is no JSON object"},
		{`{"method":"GET","url":"http://h/"}`, Options{Format: FormatHTTP}, "targets:1: this looks like JSON"},
		{ok, Options{Header: http.Header{"expect": {"100-continue"}}}, `header "expect" cannot be sent: the driver`},
		{ok, Options{Body: make([]byte, maxBody+1)}, "beyond the limit"},
		{strings.Repeat(ok, maxBodies/maxBody+1), Options{Body: make([]byte, maxBody)}, "targets:17: the bodies of all targets together"},
		{ok + "Host: a\n", Options{Header: http.Header{"host": {"b"}}}, "targets:1: "},
	} {
		if _, err := parse(test.text, test.o); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%.60q: error %v, want one that says %q", test.text, err, test.says)
		}
	}
}

func TestParseReportsWhatCannotBeRead(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("GET http://h/\n\nGET http://h/"), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := Parse(broken, Options{}); err == nil || !strings.Contains(err.Error(), "targets:3: io: read/write on closed pipe") {
		t.Errorf("error %v", err)
	}
	if _, err := Parse(iotest.ErrReader(io.ErrClosedPipe), Options{}); err == nil {
		t.Error("no error")
	}
}

func TestBodyOfTheLimitIsRead(t *testing.T) {
	line, err := json.Marshal(vegeta.Target{Method: "POST", URL: "http://h/", Body: make([]byte, maxBody)})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{string(line): maxBody, "POST http://h/\n@" + writeFile(t, strings.Repeat("x", maxBody)): maxBody} {
		got, err := parse(text, Options{})
		if err != nil || len(got[0].Body) != want {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if _, err := parse("POST http://h/\n@"+writeFile(t, strings.Repeat("x", maxBody+1)), Options{}); err == nil || !strings.Contains(err.Error(), "targets:2: body") {
		t.Errorf("error %v", err)
	}
}

// What is just within each limit is read, and messages show 80 bytes of a line.
func TestTargetsAtTheirLimits(t *testing.T) {
	const ok = "GET http://h/\n"
	longest := "A: " + strings.Repeat("x", maxHTTPLine-3)
	got, err := parse(ok+longest+"\n", Options{})
	if err != nil || len(got) != 1 || len(got[0].Header["A"][0]) != maxHTTPLine-3 {
		t.Errorf("the longest line: %v", err)
	}
	got, err = parse(strings.Repeat(ok, maxBodies/maxBody), Options{Body: make([]byte, maxBody)})
	if err != nil || len(got) != maxBodies/maxBody {
		t.Errorf("as many bodies as may be: %d, %v", len(got), err)
	}
	for text, want := range map[string]string{strings.Repeat("x", 80): strings.Repeat("x", 80), strings.Repeat("x", 81): strings.Repeat("x", 80) + "..."} {
		if got := clip(text); got != want {
			t.Errorf("%d bytes are shown as %q", len(text), got)
		}
	}
}

// vegetaReads has vegeta's own reader read the text.
func vegetaReads(text string, o Options) ([]vegeta.Target, error) {
	if o.Format == FormatJSON {
		return vegeta.ReadAllTargets(vegeta.NewJSONTargeter(strings.NewReader(text), o.Body, o.Header))
	}
	return vegeta.ReadAllTargets(vegeta.NewHTTPTargeter(strings.NewReader(text), o.Body, o.Header))
}

func TestTargetsAreVegetas(t *testing.T) {
	body, empty := writeFile(t, "con\ntent\x00"), writeFile(t, "")
	for _, test := range []struct{ format, text string }{
		{FormatHTTP, "GET http://h/a\n"},
		{FormatHTTP, "# c\n\nGET http://h/a\nGET http://h/b?c=d&e=%20\n\nPOST http://h/c\nX-A: 1\n# c\nX-A: 2\nx-a: 3\n@" + body + "\n\nDELETE http://h/d"},
		{FormatHTTP, "PUT http://h/a\n@" + empty + "\nPUT http://h/a\nAa : b:c\n   D:\te  \n\n\n\nPATCH http://h/"},
		{FormatHTTP, "GET http://h/a\r\nA: b\r\n\r\nGET http://h\r\n"},
		{FormatHTTP, "HEAD http://u:p@h/a\n   \nOPTIONS http://h/a\nHost: other\nCookie: a=b; c=d"},
		{FormatJSON, `{"method":"GET","url":"http://h/a"}` + "\n\n \n" + `{"url":"http://h/b","body":"` + base64.StdEncoding.EncodeToString([]byte("con\x00")) + `","method":"POST","header":{"X-A":["1","2"],"x-a":["3"],"e":[""],"n":null,"none":[]}}` + "\r\n"},
		{FormatJSON, ` { "method" : "GET", "url" : "http:\/\/h\/\u00e4", "body":null, "header":null } ` + "\n"},
	} {
		for _, o := range []Options{{}, {Body: []byte("default"), Header: http.Header{"X-A": {"0"}, "x-a": {"00"}}}} {
			o.Format = test.format
			want, err := vegetaReads(test.text, o)
			if err != nil {
				t.Fatalf("%q: vegeta: %v", test.text, err)
			}
			for _, o.Format = range []string{test.format, ""} {
				got, err := parse(test.text, o)
				if err != nil {
					t.Fatalf("%q: %v", test.text, err)
				}
				same(t, test.text, got, want)
			}
		}
	}
}

// What is accepted mix compiles, and vegeta reads the same from it.
func FuzzParse(f *testing.F) {
	f.Add("GET http://127.0.0.1:1/a\n\nPOST http://127.0.0.1:1/c\nX-A: 1\n")
	f.Add("GET http://a/\nGET http://a/b\n# c\n\nGET http://a/c\nA:b\n#d\nE:f")
	f.Add("\xef\xbb\xbfPUT http://u:p@[::1%25lo]:1/a?b\r\nConnection: close\r\ncontent-length: 0\r\n")
	f.Add(`{"method":"PUT","url":"http://h/","body":"eA==","header":{"A":["b",""]}}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "@/") || strings.Contains(text, "@.") {
			return // would read files of this computer
		}
		got, err := parse(text, Options{Name: "list"})
		if err != nil {
			if rest, found := strings.CutPrefix(err.Error(), "list:"); !strings.Contains(err.Error(), "names no target") && (!found || rest[0] < '1' || rest[0] > '9') {
				t.Fatalf("the error has no line: %v", err)
			}
			return
		}
		if _, err := mix.NewFromTargets(got, nil); err != nil {
			t.Fatalf("what was read cannot be compiled: %v", err)
		}
		// vegeta loses a target when a comment follows one without headers,
		// trims blanks of Unicode, and drops a last line of JSON without an end.
		var plain strings.Builder
		format := FormatHTTP
		for line := range strings.Lines(strings.TrimPrefix(text, "\xef\xbb\xbf") + "\n") {
			if line = strings.Trim(line, blanks); !strings.HasPrefix(line, "#") {
				if plain.Len() == 0 && strings.HasPrefix(line, "{") {
					format = FormatJSON
				}
				if line != "" || plain.Len() > 0 {
					plain.WriteString(line + "\n")
				}
			}
		}
		if strings.ContainsAny(text, "\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000") || strings.ContainsFunc(text, func(r rune) bool { return r >= 0x2000 && r <= 0x200a }) {
			return
		}
		if want, err := vegetaReads(plain.String(), Options{Format: format}); err == nil {
			same(t, text, got, want)
		}
	})
}
