// SPDX-License-Identifier: Apache-2.0

// Package unasked marks the statements that a shop sends by itself, to watch its
// databases and for counts. No request asked for them, so what counts the work of
// requests leaves them out.
package unasked

// Mark stands within such a statement, behind its first word: PostgreSQL's own
// statistics keep a comment there, and may drop one at the beginning or the end. A
// statement of the shop's requests is counted whatever functions it calls.
const Mark = "/* unasked */"
