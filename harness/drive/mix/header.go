// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"headroom/harness/drive/http2"
)

// Field is one header field as HTTP/2 sends it.
type Field = http2.Field

// compiledHeader holds the constant parts of a request's header.
type compiledHeader struct {
	authority string  // of the Host header
	lines     string  // of HTTP/1.1, without Host, Content-Length and the session
	fields    []Field // the same of HTTP/2, with names in lower case
	closes    bool    // Connection: close
	length    bool    // Content-Length is given, so it is sent even if it is 0
}

// notSent holds headers for features that the driver lacks, with the reason.
var notSent = map[string]string{
	"Transfer-Encoding": "the driver sends a body with its Content-Length",
	"Upgrade":           "the driver speaks no other protocol",
	"Expect":            "the driver sends the body without waiting for 100 Continue",
	"Te":                "the driver reads no trailers",
	"Trailer":           "the driver sends no trailers",
}

// CheckField is an error when a header can't be sent. It does not check what depends on the
// rest of the request. Errors do not show values, because values may be secret.
func CheckField(name, value string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("header %q cannot be sent: a name is letters, digits and -, without a blank", name)
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("header %q cannot be sent: its value holds a line break or another control character", name)
	}
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "Host":
		if value == "" || !httpguts.ValidHostHeader(value) {
			return fmt.Errorf("header %q: %q is no host: write, for example, shop.example:8080, or leave it out for the URL's", name, value)
		}
	case "Connection":
		if !strings.EqualFold(value, "close") && !strings.EqualFold(value, "keep-alive") {
			return fmt.Errorf("header %q must be close, for a new connection for each request, or keep-alive", name)
		}
	default:
		if why := notSent[canonical]; why != "" {
			return fmt.Errorf("header %q cannot be sent: %s", name, why)
		}
	}
	return nil
}

// CheckHeader is CheckField for all of a header.
func CheckHeader(header http.Header) error {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			if err := CheckField(name, trim(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// compileHeader checks e.header and renders it. Every name is sent as it is written, with
// its values in order. net/http knows some names in one spelling only: e.header gets that
// spelling.
func (e *endpoint) compileHeader(place *entry) error {
	e.compiledHeader = compiledHeader{authority: place.host}
	var lines strings.Builder
	var hosts, connections int
	for _, name := range slices.Sorted(maps.Keys(e.header)) {
		canonical := http.CanonicalHeaderKey(name)
		for _, value := range e.header[name] {
			value = trim(value)
			if err := CheckField(name, value); err != nil {
				return err
			}
			switch canonical {
			case "Host":
				e.authority = value
				hosts++
				continue
			case "Content-Length":
				if err := e.checkLength(value); err != nil {
					return err
				}
				continue
			case "Connection":
				e.closes = strings.EqualFold(value, "close")
				connections++
			}
			fmt.Fprintf(&lines, "%s: %s\r\n", name, value)
			if !ofConnection(canonical) {
				e.fields = append(e.fields, Field{Name: strings.ToLower(name), Value: value})
			}
		}
	}
	e.respell()
	if hosts > 1 || connections > 1 {
		return errors.New("header Host or Connection is given twice: give one")
	}
	e.lines = lines.String()
	return nil
}

// ofConnection says that a header is about one HTTP/1.1 connection: HTTP/2 has
// none of them (RFC 9113, 8.2.2).
func ofConnection(canonical string) bool {
	return canonical == "Connection" || canonical == "Keep-Alive" || canonical == "Proxy-Connection"
}

// respell gives names in e.header the spelling that net/http looks for. It removes the
// header that the driver sends itself.
func (e *endpoint) respell() {
	for _, name := range slices.Sorted(maps.Keys(e.header)) {
		canonical := http.CanonicalHeaderKey(name)
		values := e.header[name]
		switch canonical {
		case "Content-Length":
			delete(e.header, name)
		case "Host", "Connection", "User-Agent":
			if name != canonical {
				delete(e.header, name)
				e.header[canonical] = append(slices.Clone(e.header[canonical]), values...)
			}
		}
	}
}

// checkLength accepts a Content-Length only if it is the length of a constant body.
func (e *endpoint) checkLength(value string) error {
	if !e.body.constant() {
		return errors.New("header Content-Length can't be given: the body's length may change from request to request, and the driver sends it")
	}
	if size := strconv.Itoa(len(e.body[0].text)); value != size {
		return fmt.Errorf("header Content-Length is %q and the body has %s bytes: leave it out, the driver sends it", value, size)
	}
	e.length = true
	return nil
}

// has says whether a header of the name is given, in any spelling.
func has(header http.Header, name string) bool {
	for given, values := range header {
		if len(values) > 0 && strings.EqualFold(given, name) {
			return true
		}
	}
	return false
}

// trim removes the blanks around a value: they are no part of it (RFC 9110,
// 5.5).
func trim(value string) string { return strings.Trim(value, " \t") }
