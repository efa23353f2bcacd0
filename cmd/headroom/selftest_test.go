// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestSelftestRefusesWhatDoesNotFit(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--runs", "a", "--searches", "3"}, exitFailure, "--searches is of the simulation"},
		{[]string{"--runs", "a", "--seeds", "0"}, exitFailure, "--seeds 0: give 1 or more"},
		{[]string{"--runs", ""}, exitFailure, "--runs names no folder"},
		{[]string{"--seeds", "3"}, exitFailure, "--seeds is of --runs"},
		{[]string{"--runs", recordedRun(t)}, exitFailure, "leave the run out of --runs"}, // of before there were staircases
	} {
		code, stdout, stderr := headroom(t.Context(), append([]string{"selftest", "compare"}, test.args...)...)
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.says) {
			t.Errorf("%v: exit code %d, %q on stdout, stderr:\n%s", test.args, code, stdout, stderr)
		}
	}
}
