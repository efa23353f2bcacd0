// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"regexp"
	"strings"
)

// placeholderPattern finds the placeholders of a text whose names match a pattern,
// and all that looks like one. {name} stands for a value, and {{name}} for the text
// {name}. ${name} is a shell's variable, which stays as it is.
func placeholderPattern(name string) *regexp.Regexp {
	return regexp.MustCompile(`\$\{` + name + `\}|\{\{` + name + `\}\}|\{` + name + `\}`)
}

// placeholderName is the name of a match that is a placeholder; false for a shell's
// variable, and for a text in double braces.
func placeholderName(found string) (name string, stands bool) {
	if strings.HasPrefix(found, "$") || strings.HasPrefix(found, "{{") {
		return "", false
	}
	return strings.Trim(found, "{}"), true
}

// placeholderNames are the names of a text's placeholders.
func placeholderNames(pattern *regexp.Regexp, text string) []string {
	var names []string
	for _, found := range pattern.FindAllString(text, -1) {
		if name, stands := placeholderName(found); stands {
			names = append(names, name)
		}
	}
	return names
}

// fillPlaceholders is a text with the values in place of its placeholders. A name without
// a value stays as it is.
func fillPlaceholders(pattern *regexp.Regexp, text string, value func(name string) (string, bool)) string {
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "{{") {
			return found[1 : len(found)-1]
		}
		if name, stands := placeholderName(found); stands {
			if filled, known := value(name); known {
				return filled
			}
		}
		return found
	})
}
