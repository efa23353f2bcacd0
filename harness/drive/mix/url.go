// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// plainZone is a zone that a URL can hold as it is (RFC 6874, section 2).
var plainZone = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// parseURL reads an absolute http or https URL. Its errors name the URL, and
// never its credentials.
func parseURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("the URL is empty: write, for example, http://127.0.0.1:8080/")
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("%q holds a blank or a control character: escape it, a blank as %%20", Shown(raw))
	}
	if before, _, found := strings.Cut(raw, "#"); found {
		return nil, fmt.Errorf("%s: a fragment is never sent: leave out # and what follows it, or write # as %%23", Shown(before))
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Shown(raw), reason(err, raw))
	}
	if _, zone, found := strings.Cut(u.Hostname(), "%"); found && !plainZone.MatchString(zone) {
		return nil, fmt.Errorf("%s: its zone must be the name of a network device, for example http://[fe80::1%%25eth0]/", Shown(raw))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%s must be an http or https URL with its host, for example http://127.0.0.1:8080/", Shown(raw))
	}
	return u, nil
}

// reason is why a URL can't be read, without the URL.
func reason(err error, raw string) error {
	if strings.Contains(raw, "@") { // the reason may hold a piece of the password
		return errors.New("it is not a URL: write what is special in its user and password as %XX, / as %2F, @ as %40")
	}
	if !strings.Contains(raw, "://") {
		return errors.New("it must be an http or https URL with its host, for example http://127.0.0.1:8080/")
	}
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Shown is a URL without its credentials, for people to read.
func Shown(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		if _, err := url.Parse(raw); err == nil { // else nobody knows where the credentials end
			authority = rest[:end]
		}
	}
	return scheme + rest[strings.LastIndexByte(authority, '@')+1:]
}

// basicAuth is the header's value for a URL's credentials (RFC 7617), "" when
// there are none.
func basicAuth(user *url.Userinfo) (string, error) {
	if user == nil {
		return "", nil
	}
	password, _ := user.Password()
	if strings.Contains(user.Username(), ":") {
		return "", errors.New("the user in a URL can't hold a colon: the password begins behind the first")
	}
	text := user.Username() + ":" + password
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("the user and the password in a URL can't hold control characters")
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)), nil
}

// authorize puts the credentials of the entry's URL into a request's header.
func (e *entry) authorize(header http.Header) error {
	if e.authorization == "" {
		return nil
	}
	if has(header, "Authorization") {
		return errors.New("there are credentials in the URL and an Authorization header: give one")
	}
	header.Set("Authorization", e.authorization)
	return nil
}
