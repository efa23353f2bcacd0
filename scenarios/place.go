// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"regexp"
	"strings"
)

// placesNamed finds the placeholders of a text whose names match a pattern, and what
// is written like one: {name} stands for a value, {{name}} for the text {name}, and
// ${name} is a shell's variable, which stays as it is.
func placesNamed(name string) *regexp.Regexp {
	return regexp.MustCompile(`\$\{` + name + `\}|\{\{` + name + `\}\}|\{` + name + `\}`)
}

// placeName is the name of a placeholder that was found; false of a shell's variable,
// and of what stands for a text in braces.
func placeName(found string) (name string, stands bool) {
	if strings.HasPrefix(found, "$") || strings.HasPrefix(found, "{{") {
		return "", false
	}
	return strings.Trim(found, "{}"), true
}

// placeNames are the names of a text's placeholders.
func placeNames(place *regexp.Regexp, text string) []string {
	var names []string
	for _, found := range place.FindAllString(text, -1) {
		if name, stands := placeName(found); stands {
			names = append(names, name)
		}
	}
	return names
}

// filledPlaces is a text with the values in place of its placeholders. A name without
// a value stays as it is.
func filledPlaces(place *regexp.Regexp, text string, value func(name string) (string, bool)) string {
	return place.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "{{") {
			return found[1 : len(found)-1]
		}
		if name, stands := placeName(found); stands {
			if filled, known := value(name); known {
				return filled
			}
		}
		return found
	})
}
