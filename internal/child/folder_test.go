// SPDX-License-Identifier: Apache-2.0

package child

import "testing"

func TestIsOf(t *testing.T) {
	environment := func(folder string) []string { return []string{"A=1", "HEADROOM_FOLDER=" + folder, "B=2"} }
	for folder, want := range map[string]bool{"/c/run-1": true, "/c/run-1/7": true, "/c/run-12": false, "/c": false, "": false} {
		if got := isOf("/c/run-1", environment(folder)); got != want {
			t.Errorf("%q belongs to /c/run-1: %v, want %v", folder, got, want)
		}
	}
	if isOf("/c/run-1", []string{"X=HEADROOM_FOLDER=/c/run-1"}) {
		t.Error("another variable counts")
	}
}
