// SPDX-License-Identifier: Apache-2.0

package targets

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// jsonExample is what a line looks like.
const jsonExample = `{"method":"GET","url":"http://127.0.0.1:8080/"}`

// jsonLine takes the next line, without the blanks around it.
func (l *list) jsonLine(line []byte) error {
	if len(line) == 0 || line[0] == '#' {
		return nil
	}
	if line[0] != '{' {
		return fmt.Errorf("the line is no JSON object: write one target on each line, for example %s", jsonExample)
	}
	if !utf8.Valid(line) {
		return errors.New("the line is not UTF-8: save the list as UTF-8")
	}
	o := jsonObject{decoder: json.NewDecoder(bytes.NewReader(line))}
	if err := o.read(); err != nil {
		return inWords(err)
	}
	if _, err := o.decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object: write one target on each line")
	}
	if o.target.Method == "" || o.target.URL == "" {
		return fmt.Errorf(`"method" and "url" must be given, for example %s`, jsonExample)
	}
	return l.add(o.target, o.body)
}

// inWords says what the decoder's errors mean for a line.
func inWords(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the line ends within the object: a target must be on one line")
	case errors.As(err, &syntax):
		return fmt.Errorf("the line is no JSON at byte %d: %w: write, for example, %s", syntax.Offset, err, jsonExample)
	}
	return err
}

// jsonObject is the current target. encoding/json alone would accept keys in any case, a
// repeated key, and null for a text.
type jsonObject struct {
	decoder *json.Decoder
	target  vegeta.Target
	body    bool // it gives one
}

func (o *jsonObject) read() error {
	_, err := o.keys("", func(key string) error {
		switch key {
		case "method":
			return o.text(key, &o.target.Method)
		case "url":
			return o.text(key, &o.target.URL)
		case "body":
			return o.readBody()
		case "header":
			return o.readHeader()
		}
		return fmt.Errorf("the key %q is unknown: there are method, url, header and body", clip(key))
	})
	return err
}

// keys reads an object, and calls value to read the value of each key. within is the
// object's own key. given is false for null.
func (o *jsonObject) keys(within string, value func(key string) error) (given bool, err error) {
	start, err := o.decoder.Token()
	if err != nil {
		return false, err
	}
	if start == nil {
		return false, nil
	}
	if start != json.Delim('{') {
		return true, fmt.Errorf(`%q must be an object, for example {"Accept":["text/html"]}`, within)
	}
	seen := map[string]bool{}
	for o.decoder.More() {
		token, err := o.decoder.Token()
		if err != nil {
			return true, err
		}
		key, _ := token.(string) // the decoder takes nothing else
		if seen[key] {
			return true, fmt.Errorf("the key %q stands twice: give it once", clip(key))
		}
		seen[key] = true
		if err := value(key); err != nil {
			return true, err
		}
	}
	_, err = o.decoder.Token()
	return true, err
}

// text reads a text; null leaves it.
func (o *jsonObject) text(key string, to *string) error {
	var text *string
	if err := o.decode(&text, fmt.Errorf("%q must be a text in quotes", key)); err != nil || text == nil {
		return err
	}
	*to = *text
	return whole(key, *text)
}

// decode decodes the next value. When it is of another type, the error is
// mistyped.
func (o *jsonObject) decode(to any, mistyped error) error {
	err := o.decoder.Decode(to)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return mistyped
	}
	return err
}

// whole refuses U+FFFD, which the decoder puts in place of half a character.
func whole(key, text string) error {
	if strings.ContainsRune(text, utf8.RuneError) {
		return fmt.Errorf("%q holds half a character (a lone \\ud800 to \\udfff, or U+FFFD)", clip(key))
	}
	return nil
}

func (o *jsonObject) readBody() error {
	var text *string
	if err := o.decode(&text, errors.New(`"body" must be a text in quotes, in base64`)); err != nil || text == nil {
		return err
	}
	body, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return fmt.Errorf(`"body" must be base64 with its = at the end: %w`, err)
	}
	o.target.Body, o.body = body, true
	return nil
}

func (o *jsonObject) readHeader() error {
	header := http.Header{}
	given, err := o.keys("header", func(name string) error {
		var texts []*string
		mistyped := fmt.Errorf(`header %q must be a list of texts, for example ["text/html"]`, clip(name))
		if err := o.decode(&texts, mistyped); err != nil {
			return err
		}
		values := make([]string, len(texts))
		for i, text := range texts {
			if text == nil {
				return mistyped
			}
			if values[i] = *text; whole(name, *text) != nil {
				return whole(name, *text)
			}
		}
		header[name] = values
		return whole(name, name)
	})
	if given {
		o.target.Header = header
	}
	return err
}
