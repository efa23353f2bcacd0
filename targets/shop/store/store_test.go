// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// What an outside checker reads: the first "id" and "version" are the page's own.
func TestJSONBeginsWithItsOwnIDAndVersion(t *testing.T) {
	quoted := `"version":9,"id":9`
	for _, v := range []any{
		User{ID: 5, Version: 3, Name: quoted, Bio: quoted},
		Post{ID: 5, Version: 3, Title: quoted, Author: Author{ID: 8}},
		Order{ID: 5, Version: 3, User: 8, Item: quoted},
		struct {
			Orders [2]Order `json:"orders"`
		}{[2]Order{{ID: 5, Version: 3}, {ID: 6, Version: 4}}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"id":5,`, `"version":3,`} {
			name, _, _ := strings.Cut(want, ":")
			if at := strings.Index(string(text), name+":"); at < 0 || at > 40 || !strings.HasPrefix(string(text[at:]), want) {
				t.Errorf("%s: the first %s of %s is not its own", reflect.TypeOf(v), name, text)
			}
		}
	}
}
