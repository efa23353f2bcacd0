// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// readFeed is what feed, the first request of phase 3 for a feed, becomes with more
// keys, and the file with it.
func readFeed(t *testing.T, more string) (feed scenarios.Endpoint, data []byte, err error) {
	t.Helper()
	data = edit(t, `feed", weight: 20%`, `feed", weight: 20%, `+more)
	s, err := scenarios.Parse("mine.yaml", data, kinds.Data())
	if err != nil {
		return feed, data, err
	}
	for _, e := range s.Load.Mix {
		if strings.HasSuffix(e.Path, "feed") {
			return e, data, nil
		}
	}
	t.Fatal("phase 3 has no request for a feed")
	return feed, data, nil
}

func TestParseReadings(t *testing.T) {
	for _, test := range []struct {
		more        string
		version, id scenarios.Extractor
	}{
		{"object: feed, creates: orders", scenarios.Extractor{From: "json", Name: "version"}, scenarios.Extractor{From: "json", Name: "id"}},
		{"object: feed, version: json rev, creates: _a1, id: json bookingId", scenarios.Extractor{From: "json", Name: "rev"}, scenarios.Extractor{From: "json", Name: "bookingId"}},
		{"object: feed, version: etag, creates: orders, id: location", scenarios.Extractor{From: "etag"}, scenarios.Extractor{From: "location"}},
		{"object: feed, version: header  X-Version, creates: orders, id: header X-Id", scenarios.Extractor{From: "header", Name: "X-Version"}, scenarios.Extractor{From: "header", Name: "X-Id"}},
	} {
		feed, _, err := readFeed(t, test.more)
		if err != nil {
			t.Errorf("%s: %v", test.more, err)
			continue
		}
		if feed.VersionAt() != test.version || feed.IDAt() != test.id {
			t.Errorf("%s: the version is read from %+v and the id from %+v, want %+v and %+v", test.more, feed.VersionAt(), feed.IDAt(), test.version, test.id)
		}
		var again scenarios.Endpoint
		if data, err := json.Marshal(feed); err != nil || json.Unmarshal(data, &again) != nil || again != feed {
			t.Errorf("%s: JSON makes %+v of %+v (%v)", test.more, again, feed, err)
		}
	}
	// A file of before there were readings has the same JSON as one without them.
	if data, err := json.Marshal(scenarios.Endpoint{Object: "feed"}); err != nil || strings.Contains(string(data), "version") || strings.Contains(string(data), `"id"`) {
		t.Errorf("%s, %v", data, err)
	}
}

func TestParseRefusesBadReadings(t *testing.T) {
	for more, want := range map[string]string{
		"object: feed, version: body rev":              `"body" is no place of an answer that can be read here; known are etag, header, json`,
		"object: feed, version: location":              "known are etag, header, json",
		"object: feed, version: hedaer X-V":            `did you mean "header"?`,
		"object: feed, version: json":                  `"" is no name of a JSON field`,
		"object: feed, version: json meta.rev":         "without a path, for example json version",
		"object: feed, version: 'json \"rev\"'":        "is no name of a JSON field",
		"object: feed, version: header":                "is no name of a header: write for example header X-Version",
		"object: feed, version: 'header X-Version: 7'": "is no name of a header",
		"object: feed, version: etag strong":           `etag takes no name: leave "strong" out`,
		"version: etag":                                "nothing is named whose version it is: add object",
		"creates: orders, id: etag":                    "known are header, json, location",
		"creates: orders, id: header Ä":                "is no name of a header",
		"id: location":                                 "no table is named whose row has the id: add creates",
		"creates: Orders":                              `"Orders" is no name of a table: write lower-case letters`,
		"creates: public.orders":                       "is no name of a table",
		"creates: 1st":                                 "is no name of a table",
		"creates: " + strings.Repeat("o", 64):          "63 at most",
	} {
		_, data, err := readFeed(t, more)
		if err == nil {
			t.Errorf("%s was accepted", more)
			continue
		}
		where := fmt.Sprintf("mine.yaml:%d: load.mix[", lineOf(t, data, more))
		if !strings.HasPrefix(err.Error(), where) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s ... %s", more, err, where, want)
		}
	}
}

// A job comes as JSON too: what no parser has seen is checked as well.
func TestReadingCheck(t *testing.T) {
	for extractor, want := range map[scenarios.Extractor]string{
		{From: "json", Name: "rev"}: "",
		{From: "etag"}:              "",
		{}:                          `"" is no place of an answer; known are etag, header, json, location`,
		{From: "header", Name: ""}:  "is no name of a header",
		{From: "json", Name: `"`}:   "is no name of a JSON field",
	} {
		if err := extractor.Check(); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", extractor, err, want)
		}
	}
}
