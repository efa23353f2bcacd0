// SPDX-License-Identifier: Apache-2.0

package scenarios

// Fallback is what a process of the kind has for a setting that its scenario does
// not name; known is false where the kind has no such setting.
func (k Kind) Fallback(setting string) (value string, known bool) {
	s, known := kinds[k].settings[setting]
	return s.fallback, known
}
