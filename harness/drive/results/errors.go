// SPDX-License-Identifier: Apache-2.0

package results

import (
	"fmt"
	"net/http"
	"strings"
)

// Unsent is the error of a request that was due and could not be sent.
const Unsent = "unsent"

// wrongBody is the one class of failure with a complete answer of a good status.
const wrongBody = "wrong_body"

// statusClass begins the classes of an answer's status.
const statusClass = "status_"

// texts are what the classes of failure mean. There is one for each, so that
// vegeta's error set stays short.
var texts = map[string]string{
	"timeout":        "no complete answer within the timeout",
	"refused":        "the connection was refused",
	"reset":          "the connection ended before the answer did",
	"unreachable":    "no way leads to the host",
	"bad_redirect":   "the redirect can't be followed",
	"no_local_port":  "this computer had no free local port",
	"no_open_file":   "this process had no free file descriptor",
	"protocol":       "the answer is none, or not in the protocol asked for",
	"dns":            "the name could not be resolved",
	"tls":            "no secure connection could be made",
	wrongBody:        "the body lacks what was expected",
	"body_too_large": "the body is beyond the limit",
	"interrupted":    "the run was called off",
	"other":          "anything else",
}

// ErrorText is what a file says of a class of failure; "" for success.
func ErrorText(class string, code uint16) string {
	if strings.HasPrefix(class, statusClass) {
		return strings.TrimSpace(fmt.Sprintf("%s: %d %s", class, code, http.StatusText(int(code))))
	}
	if text, known := texts[class]; known {
		return class + ": " + text
	}
	return class
}

// complete says whether an answer of that class came to its end.
func complete(class string) bool {
	return class == "" || class == wrongBody || strings.HasPrefix(class, statusClass)
}
