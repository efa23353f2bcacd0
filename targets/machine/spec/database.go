// SPDX-License-Identifier: Apache-2.0

package spec

// AppDatabase is what every PostgreSQL has for the application: a database of this
// name, and a role of the same name that owns the database.
const AppDatabase = "app"

// UnaskedMark marks a statement that an application sends by itself, to watch its
// databases and for counts. No request asked for the statement, so counts of the work
// of requests leave it out. The mark stands behind the statement's first word:
// PostgreSQL's own statistics keep a comment there, and may drop a comment at the
// beginning or the end.
const UnaskedMark = "/* unasked */"
