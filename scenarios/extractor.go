// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The places of an answer that may show a number.
const (
	FromJSON     = "json"     // the first field of a name in its body, however deep the field stands
	FromHeader   = "header"   // the header of a name
	FromETag     = "etag"     // the header ETag, as "17", W/"17" or 17
	FromLocation = "location" // the last segment of the path in the header Location
)

// Extractor says where an answer shows a number: a version, or a new row's id. The
// zero value says nothing, and a default holds.
type Extractor struct {
	From string `json:"from"`           // one of FromJSON, FromHeader, FromETag, FromLocation
	Name string `json:"name,omitempty"` // of the field or the header
}

// VersionAt is where the endpoint's answers show the version of its object.
func (e Endpoint) VersionAt() Extractor { return cmp.Or(e.Version, Extractor{FromJSON, "version"}) }

// IDAt is where the endpoint's answers show the id of the row that they
// acknowledge.
func (e Endpoint) IDAt() Extractor { return cmp.Or(e.ID, Extractor{FromJSON, "id"}) }

var (
	jsonFieldName = regexp.MustCompile(`^[A-Za-z0-9_@$-]{1,100}$`)
	headerName    = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$") // a token: RFC 9110, section 5.6.2
	tableName     = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)             // what PostgreSQL keeps of a longer name is another one
)

// Check says what is wrong with the extractor, if anything is.
func (x Extractor) Check() error {
	switch x.From {
	case FromJSON:
		if !jsonFieldName.MatchString(x.Name) {
			return fmt.Errorf("%q is no name of a JSON field: write the field's own name without a path, for example json version", x.Name)
		}
	case FromHeader:
		if !headerName.MatchString(x.Name) {
			return fmt.Errorf("%q is no name of a header: write for example header X-Version", x.Name)
		}
	case FromETag, FromLocation:
		if x.Name != "" {
			return fmt.Errorf("%s takes no name: leave %q out", x.From, x.Name)
		}
	default:
		return fmt.Errorf("%q is no place of an answer%s", x.From, nearest(x.From, []string{FromJSON, FromHeader, FromETag, FromLocation}))
	}
	return nil
}

// extractor reads one of the places, with the name that it needs.
func (n node) extractor(places ...string) Extractor {
	place, name, _ := strings.Cut(n.text(), " ")
	if !slices.Contains(places, place) {
		n.fail("%q is no place of an answer that can be read here%s", place, nearest(place, places))
		return Extractor{}
	}
	x := Extractor{From: place, Name: strings.TrimSpace(name)}
	if err := x.Check(); err != nil {
		n.fail("%v", err)
		return Extractor{}
	}
	return x
}

// readExtractors reads what oracles follow of a request's answers: the version of
// its object, and the row that they acknowledge.
func readExtractors(m map[string]node, e *Endpoint) {
	if v, ok := m["creates"]; ok {
		e.Creates = v.text()
		if !tableName.MatchString(e.Creates) {
			v.fail("%q is no name of a table: write lower-case letters, digits and _, 63 at most, for example orders", e.Creates)
		}
	}
	if v, ok := m["version"]; ok {
		e.Version = v.extractor(FromJSON, FromHeader, FromETag)
		if e.Object == "" {
			v.fail("nothing is named whose version it is: add object, for example object: \"user {user}\"")
		}
	}
	if v, ok := m["id"]; ok {
		e.ID = v.extractor(FromJSON, FromHeader, FromLocation)
		if e.Creates == "" {
			v.fail("no table is named whose row has the id: add creates, for example creates: orders")
		}
	}
}
