// SPDX-License-Identifier: Apache-2.0

package pgbouncer

import (
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

func process(to ...string) spec.Process {
	settings := Kind().Process("pgbouncer").Settings
	settings["pool_size"] = "9"
	return spec.Process{Name: "pgbouncer", Port: 6432, Address: "127.64.0.2", Settings: settings,
		Links: map[scenarios.Role][]string{scenarios.RoleDatabase: to}}
}

// Every setting and the link stand in the configuration, and nobody needs a
// password.
func TestConfig(t *testing.T) {
	text, err := (&pool{spec: process("db:5432")}).configText()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"[databases]\napp = host=db port=5432 dbname=app user=app\n", "listen_addr = 127.64.0.2\n", "listen_port = 6432\n",
		"pool_mode = transaction\n", "default_pool_size = 9\n", "max_client_conn = 1000\n", "auth_type = any\n", "max_prepared_statements = 200\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for want, to := range map[string][]string{
		"leads to 0 places": nil,
		"leads to 2 places": {"a:1", "b:1"},
		"is not host:port":  {"db"},
	} {
		if _, err := (&pool{spec: process(to...)}).configText(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", to, err, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]float64{"12": 12, "1.5": 1.5} {
		if got, err := number("n", text); got != want || err != nil {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := number("sv_idle", ""); err == nil || !strings.Contains(err.Error(), `sv_idle as ""`) {
		t.Errorf("a column that is not there: %v", err)
	}
}

func TestVersion(t *testing.T) {
	for said, ok := range map[string]bool{"PgBouncer 1.24.1": true, "PgBouncer 1.22.0": true, "PgBouncer 2.0": true, "PgBouncer 1.18.0": false, "pooler": false} {
		if err := checkVersion(said); (err == nil) != ok {
			t.Errorf("%q: %v", said, err)
		}
	}
}
