// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"strings"
	"testing"

	"headroom/scenarios"
)

func TestNumberOfAHeader(t *testing.T) {
	for _, test := range []struct {
		from, value string
		want        int64 // -1: none
	}{
		{"header", "17", 17}, {"header", "0", 0}, {"header", "999999999999999999", 999999999999999999}, {"header", "9223372036854775807", 9223372036854775807}, {"header", "9223372036854775808", -1},
		{"header", "1000000000000000000", 1000000000000000000},
		{"header", "", -1}, {"header", "-1", -1}, {"header", "+1", -1},
		{"header", "1.0", -1}, {"header", `"17"`, -1}, {"header", "17, 18", -1}, {"header", "v17", -1},
		{"etag", `"17"`, 17}, {"etag", `W/"17"`, 17}, {"etag", "17", 17}, {"etag", "W/17", 17},
		{"etag", `"17-gzip"`, -1}, {"etag", `"`, -1}, {"etag", `""`, -1}, {"etag", `w/"17"`, -1}, {"etag", `"17`, -1},
		{"location", "/api/orders/17", 17}, {"location", "https://shop/orders/17", 17}, {"location", "17", 17},
		{"location", "/orders/17/", 17}, {"location", "/orders/17?for=3#/4", 17}, {"location", "/orders/17#/4", 17},
		{"location", "/orders/seventeen", -1}, {"location", "/orders/17/items", -1}, {"location", "/", -1}, {"location", "", -1},
	} {
		name := ""
		if test.from == scenarios.FromHeader {
			name = "X-Version"
		}
		shown, err := newNumberAt(scenarios.Extractor{From: test.from, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := shown.Number([]byte(test.value))
		if !ok {
			got = -1
		}
		if got != test.want {
			t.Errorf("%s %q: %d, want %d", test.from, test.value, got, test.want)
		}
	}
}

// Each endpoint is read as it says itself, once it says what there is to read.
func TestWhereAnswersShowNumbers(t *testing.T) {
	for _, test := range []struct {
		endpoint    scenarios.Endpoint
		version, id string
		inHeaders   bool
	}{
		{scenarios.Endpoint{Object: "feed"}, `"version":`, "", false},
		{scenarios.Endpoint{Object: "feed", Version: scenarios.Extractor{From: "json", Name: "rev"}, Creates: "orders"}, `"rev":`, `"id":`, false},
		{scenarios.Endpoint{Object: "feed", Version: scenarios.Extractor{From: "etag"}, Creates: "orders"}, "ETag", `"id":`, true},
		{scenarios.Endpoint{Creates: "orders", ID: scenarios.Extractor{From: "location"}}, "", "Location", true},
		{scenarios.Endpoint{Creates: "orders", ID: scenarios.Extractor{From: "header", Name: "X-Id"}}, "", "X-Id", true},
		{scenarios.Endpoint{}, "", "", false},
	} {
		test.endpoint.Name, test.endpoint.Method, test.endpoint.Path, test.endpoint.Weight = "e", "GET", "/", 1
		m, err := New("http://shop", nil, []scenarios.Endpoint{test.endpoint}, nil, 1)
		if err != nil {
			t.Errorf("%+v: %v", test.endpoint, err)
			continue
		}
		r := m.Pick(0)
		version, id := r.Version().Field+string(r.Version().Header), r.ID().Field+string(r.ID().Header)
		if version != test.version || id != test.id || m.ShowsInHeaders() != test.inHeaders {
			t.Errorf("%+v: version %q, id %q, in headers %v", test.endpoint, version, id, m.ShowsInHeaders())
		}
	}
}

func TestReadingsAreChecked(t *testing.T) {
	for says, endpoint := range map[string]scenarios.Endpoint{
		"version: ": {Object: "feed", Version: scenarios.Extractor{From: "body"}},
		"id: ":      {Creates: "orders", ID: scenarios.Extractor{From: "header", Name: "X Id"}},
	} {
		endpoint.Name, endpoint.Method, endpoint.Path, endpoint.Weight = "e", "GET", "/", 1
		if _, err := New("http://shop", nil, []scenarios.Endpoint{endpoint}, nil, 1); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: error %v, want %q", endpoint, err, says)
		}
	}
}
