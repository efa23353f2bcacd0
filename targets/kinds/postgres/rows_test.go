// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"
	"testing"
)

// Only tables of the shop may be named: the name becomes part of a statement.
func TestRowsRefusesOtherTables(t *testing.T) {
	p := &server{}
	for _, table := range []string{"", "pg_authid", "users; DROP TABLE users"} {
		if _, err := p.Rows(t.Context(), table, []int64{1}); err == nil || !strings.Contains(err.Error(), "want one of [users posts orders]") {
			t.Errorf("table %q: error %v", table, err)
		}
	}
}
