// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"strings"
	"testing"
	"time"

	"headroom/targets/machine/spec"
)

func TestConfigFromProcess(t *testing.T) {
	p := spec.Process{Name: "mail", Kind: "mail", Port: 8025, Settings: map[string]string{"delay": "80ms"}}
	if got, err := ConfigFromProcess(p); err != nil || got != (Config{":8025", 80 * time.Millisecond}) {
		t.Errorf("got %+v, %v", got, err)
	}
	p.Settings["delay"] = "-1s"
	if _, err := ConfigFromProcess(p); err == nil || !strings.Contains(err.Error(), "delay") {
		t.Errorf("negative delay: %v", err)
	}
}
