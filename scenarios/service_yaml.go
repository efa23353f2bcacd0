// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ServiceKeys are all that a file may say of a service, besides that it is one.
func ServiceKeys() []string {
	return []string{"image", "build", "command", "args", "port", "env", "files", "ready", "data", "seed", "seed_files", "limits",
		"counters", "attach", "links", "stateless", "speaks"}
}

// On this computer a process needs a port at which every user may listen. In a
// container of its own a process may have any port.
const (
	minPort      = 1024
	minImagePort = 1
)

// readService reads a process whose kind leaves it to the file how the process runs.
func readService(kind Kind, group, name string, n node, given []field, said map[string]node) Process {
	m := n.named(given, append([]string{"kind"}, ServiceKeys()...))
	s := &Service{Ready: readyByItself(), Limits: LimitsFromStart}
	p := kind.Process(name)
	p.Service = s
	said[group+"/"+name] = n
	s.readProgram(n, m)
	if v, ok := n.need(m, "port"); ok {
		least := minPort
		if s.Foreign() {
			least = minImagePort
		}
		p.Port = v.integer(least, maxPort)
	}
	if v, ok := m["links"]; ok {
		p.Links = readServiceLinks(v, group+"/"+name, said)
	}
	if v, ok := m["env"]; ok {
		s.Env = readEnv(v, p)
	}
	if v, ok := m["files"]; ok {
		s.Files = readServiceFiles(v, s.Foreign())
	}
	if v, ok := m["data"]; ok {
		s.Data = readProcessPath(v, v.text(), s.Foreign())
	}
	p.readServiceSeed(m)
	if v, ok := m["ready"]; ok {
		s.Ready = readReady(v, s.Foreign())
	}
	if v, ok := m["limits"]; ok {
		s.Limits = v.oneOf(LimitsFromStart, LimitsFromReady)
	}
	if v, ok := m["counters"]; ok {
		s.Counters = readExposition(v)
	}
	attached := s.readAttach(m)
	p.Facts = serviceFacts(p, attached, m)
	return p
}

var (
	imageName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)
	targetName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	envName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	metricName = regexp.MustCompile(`^[A-Za-z_:][A-Za-z0-9_:]*$`)
	roleName   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// readProgram reads what runs: an image, how one is built, or a command.
func (s *Service) readProgram(n node, m map[string]node) {
	if v, ok := m["image"]; ok {
		s.Image = v.text()
		if !imageName.MatchString(s.Image) {
			v.fail("%q is no name of an image: write for example docker.io/library/nginx:1.27", s.Image)
		}
	}
	if v, ok := m["build"]; ok {
		s.Build = readBuild(v)
		if s.Image != "" {
			v.fail("an image is built or it is pulled: leave out build, or image")
		}
	}
	if v, ok := m["command"]; ok {
		s.Command = readCommand(v, "leave command out where the image has its own")
	}
	if v, ok := m["args"]; ok {
		if len(s.Command) == 0 && !s.Foreign() {
			v.fail("there is nothing that takes the arguments: write command, image or build too")
		}
		for _, item := range v.items() {
			s.Command = append(s.Command, item.text())
		}
	}
	if _, said := m["command"]; !said && !s.Foreign() {
		n.fail("what runs is not said: write image: or build: for a container, or command: for a program of this computer (--stage process)")
	}
}

// readCommand reads a command: one text, split as a shell splits it, or a list.
func readCommand(n node, orElse string) []string {
	if !n.isList() {
		return n.words(orElse)
	}
	var words []string
	for _, item := range n.items() {
		words = append(words, item.text())
	}
	if len(words) == 0 || words[0] == "" {
		n.fail("the command is empty: write the program and its flags, or %s", orElse)
		return nil
	}
	return words
}

// readBuild reads a folder, or how an image is built in one.
func readBuild(n node) *Build {
	b := &Build{Dir: n.doc.dir}
	at := n
	if n.isMapping() {
		m := n.mapping("context", "dockerfile", "target", "args")
		if v, ok := n.need(m, "context"); ok {
			b.Context, at = v.text(), v
		}
		if v, ok := m["dockerfile"]; ok {
			b.Dockerfile = v.text()
			if !filepath.IsLocal(b.Dockerfile) {
				v.fail("%q is not in the context: write the Dockerfile's path from there", b.Dockerfile)
				return b
			}
			at = v
		}
		if v, ok := m["target"]; ok {
			b.Target = v.text()
			if !targetName.MatchString(b.Target) {
				v.fail("%q is no stage of a Dockerfile", b.Target)
			}
		}
		if v, ok := m["args"]; ok {
			b.Args = readVariables(v.fields())
		}
	} else {
		b.Context = n.text()
	}
	at.checkBuild(b)
	return b
}

// readVariables reads names and their values.
func readVariables(fields []field) map[string]string {
	out := map[string]string{}
	for _, f := range fields {
		if !envName.MatchString(f.key) {
			f.value.fail("%q is no name of a variable: use letters, digits and _", f.key)
		}
		out[f.key] = f.value.text()
	}
	return out
}

// readEnv reads the environment of a process, in which {role} stands for the address
// of one of its links, and {{role}} for the text {role}.
func readEnv(n node, p Process) map[string]string {
	var roles []string
	for _, l := range p.Links {
		roles = append(roles, string(l.Role))
	}
	fields := n.fields()
	out := readVariables(fields)
	for _, f := range fields {
		for _, role := range placeholderNames(envPlaceholder, out[f.key]) {
			if !p.Linked(Role(role)) {
				f.value.fail("{%s} stands for where a link leads, and there is no link %q%s; write it under links, as %s: machine/process, or write {{%s}} for the text {%s}",
					role, role, nearest(role, roles), role, role, role)
			}
		}
	}
	return out
}

// readServiceLinks reads the links of a service, in roles of its own.
func readServiceLinks(n node, address string, said map[string]node) []Link {
	var links []Link
	for _, f := range n.fields() {
		if !roleName.MatchString(f.key) {
			f.value.fail("%q is no role: use lower-case letters, digits and _, for example database", f.key)
			continue
		}
		links = append(links, Link{Role: Role(f.key), To: []string{f.value.text()}})
		said[address+" "+f.key] = f.value
	}
	return links
}

// readProcessPath checks the path at which a process finds a file or keeps its data.
// In an image the path begins at the root, on this computer at the process's own
// folder.
func readProcessPath(n node, place string, inImage bool) string {
	switch {
	case strings.ContainsAny(place, ":,\n"):
		n.fail("%q: a path here holds no colon, comma or end of a line", place)
	case inImage && (!path.IsAbs(place) || path.Clean(place) != place || place == "/"):
		n.fail("%q: in an image write the whole path, for example /var/lib/app", place)
	case !inImage && (!filepath.IsLocal(place) || path.Clean(place) != place || place == "."):
		n.fail("%q: a program of this computer has a folder of its own: write a path below it, for example data", place)
	}
	return place
}

// readServiceFiles reads where the process finds which files.
func readServiceFiles(n node, inImage bool) []File {
	var files []File
	for _, f := range n.fields() {
		file := f.value.file(f.value.text())
		file.Path = readProcessPath(f.value, f.key, inImage)
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files
}

// readServiceSeed reads the command that makes what a service begins with. While the
// data are made the process runs alone, as a process of any kind does.
func (p *Process) readServiceSeed(m map[string]node) {
	seed, seeded := m["seed"]
	if seeded {
		p.Seed = seed.seed()
	}
	if v, ok := m["seed_files"]; ok {
		p.SeedFiles = v.seedFiles()
		if !seeded {
			v.fail("seed_files are for a seed's command: write seed too, or leave seed_files out")
		} else {
			p.checkSeedFiles(v)
		}
	}
	if _, kept := m["data"]; seeded && !kept {
		seed.fail("nothing says where the process keeps what the command makes: write data: with that folder, or leave seed out")
	}
	if i := slices.IndexFunc(p.Service.Files, p.Service.amongData); seeded && i >= 0 {
		seed.fail("the file %s would lie among the data that the command makes: name it under seed_files, or put it elsewhere", p.Service.Files[i].Path)
	}
	if links, linked := m["links"]; seeded && linked {
		links.fail("the data are made by the process alone, before any other runs, so that a link leads nowhere: leave out links, or seed")
	}
}

// checkSeedFiles complains about a file of the seed command that would lie among the data,
// or in the place of another file. The files lie in a folder of their own in an image, and
// in the process's folder on this computer.
func (p *Process) checkSeedFiles(n node) {
	for _, f := range p.SeedFiles {
		if p.Service.Foreign() {
			f.Path = path.Join(SeedFilesDir, f.Path)
		}
		if p.Service.amongData(f) {
			n.fail("the file %s of the seed command would lie at %s, among the data that the command makes: write another folder under data, or call the file otherwise", f.From, f.Path)
		}
		other := func(own File) bool { return own.Path == f.Path && own.SHA256 != f.SHA256 }
		if i := slices.IndexFunc(p.Service.Files, other); i >= 0 {
			n.fail("the file %s of the seed command would lie at %s, where files has %s: call one of the two otherwise", f.From, f.Path, p.Service.Files[i].From)
		}
	}
}

// amongData says whether a file lies in the folder of the service's data.
func (s *Service) amongData(f File) bool {
	return s.Data != "" && (f.Path == s.Data || strings.HasPrefix(f.Path, s.Data+"/"))
}

// Within which time a process must be ready.
const (
	minReady = time.Second
	maxReady = 10 * time.Minute
)

// readPath reads a path that is asked for by HTTP, with its query if there is one.
func readPath(n node, example string) string {
	text := n.text()
	if _, err := url.ParseRequestURI(text); err != nil || !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " #") {
		n.fail("%q is no path: write for example %s", text, example)
	}
	return text
}

func readReady(n node, inImage bool) Ready {
	m := n.mapping("http", "tcp", "command", "within")
	r := Ready{Within: readyByItself().Within}
	if v, ok := m["within"]; ok {
		r.Within = v.duration(minReady, maxReady)
		delete(m, "within")
	}
	if len(m) > 1 {
		n.fail("a process is ready by one thing: keep one of http, tcp and command")
	}
	if v, ok := m["http"]; ok {
		r.HTTP = readPath(v, "/health")
	}
	if v, ok := m["command"]; ok {
		r.Command = readCommand(v, "leave ready out where an open port is enough")
		if inImage {
			v.fail("nothing of headroom runs in an image of your own that could run a command: write http: with a path, or tcp: yes")
		}
	}
	if v, ok := m["tcp"]; ok && !v.yes() {
		v.fail("leave tcp out, and write http: or command:")
	}
	r.TCP = r.HTTP == "" && r.Command == nil
	return r
}

func readExposition(n node) *Exposition {
	m := n.mapping("path", "names")
	e := &Exposition{Path: "/metrics", Names: map[Meaning]string{}}
	if v, ok := m["path"]; ok {
		e.Path = readPath(v, e.Path)
	}
	names, ok := n.need(m, "names")
	if !ok {
		return e
	}
	fields := names.fields()
	for _, f := range fields {
		meaning, name := Meaning(f.key), f.value.text()
		if wrong := wrongCounter(meaning, name); wrong != "" {
			f.value.fail("%s", wrong)
			continue
		}
		e.Names[meaning] = name
	}
	if len(fields) == 0 {
		names.fail("no counter is named: write for example statements: app_statements_total, or leave counters out")
	}
	return e
}

// wrongCounter says what is wrong with a counter's name for a meaning; "" when
// nothing is.
func wrongCounter(meaning Meaning, name string) string {
	total := strings.HasSuffix(name, totalSuffix)
	switch {
	case !slices.Contains(Meanings(), meaning):
		return fmt.Sprintf("nothing in a report is called %q%s", meaning, nearest(meaning, Meanings()))
	case !metricName.MatchString(name):
		return fmt.Sprintf("%q is no name of a counter: write for example app_statements_total", name)
	case meaning.isGauge() && total:
		return fmt.Sprintf("%q only grows, and %s go up and down: name a gauge of the page", name, meaning)
	case !meaning.isGauge() && !total:
		return fmt.Sprintf("%q is no total, and %s are counted from the start on: name a counter of the page, whose name ends in %s", name, meaning, totalSuffix)
	case meaning.isTime() && unitOf(name) == "":
		return fmt.Sprintf("%q does not say its unit: name a counter that ends in _seconds%s or _milliseconds%s", name, totalSuffix, totalSuffix)
	}
	return ""
}

// readAttach reads the kind by whose protocol the service's counters are read.
func (s *Service) readAttach(m map[string]node) Kind {
	n, ok := m["attach"]
	if !ok {
		return Kind{}
	}
	var can []KindName
	for _, k := range n.doc.kinds {
		if k.Attaches {
			can = append(can, k.Name)
		}
	}
	name := KindName(n.text())
	kind, _ := KindOf(n.doc.kinds, name)
	switch {
	case !kind.Attaches:
		n.fail("%q is no kind whose counters can be read from outside%s", name, nearest(name, can))
		return Kind{}
	case !s.Foreign():
		n.fail("attach is for an image of your own: write kind: %s for a program of this computer", name)
	case s.Counters != nil:
		n.fail("counters are read from one place: leave out attach, or counters")
	}
	s.Attach = name
	return kind
}

// serviceFacts are what a file says of a service that cannot be known otherwise.
func serviceFacts(p Process, attached Kind, m map[string]node) Facts {
	s := p.Service
	f := Facts{Label: p.Name, About: "a service of your own", Keeps: attached.Facts.Keeps, Database: attached.Facts.Database,
		Stores: s.Data != "", SharedMemoryBytes: attached.Facts.SharedMemoryBytes, Ports: 1, Counters: attached.Facts.Counters}
	if s.Counters != nil {
		f.Counters = s.Counters.Counters()
	}
	if s.Data != "" {
		f.Keeps = KeepsData
	}
	if v, ok := m["stateless"]; ok {
		switch stateless := v.yes(); {
		case stateless && s.Data != "":
			v.fail("data names a folder that outlives a restart, so that the process keeps something: write stateless: no, or leave out data")
		case stateless && attached.Facts.Database:
			v.fail("a %s keeps data: write stateless: no", attached.Name)
		case stateless:
			f.Keeps = KeepsNothing
		case f.Keeps == "" || f.Keeps == KeepsNothing:
			f.Keeps = KeepsData
		}
	}
	f.Speaks = serviceSpeaks(s.Ready, attached, m)
	return f
}

// serviceSpeaks are the protocols that a service speaks: those that the file names.
// Where the file names none, they are those of the kind that the service is attached
// as, else HTTP. A service whose readiness is asked by HTTP speaks HTTP too.
func serviceSpeaks(ready Ready, attached Kind, m map[string]node) []Protocol {
	var speaks []Protocol
	n, said := m["speaks"]
	if said {
		for _, item := range n.items() {
			protocol := Protocol(item.oneOf(protocolTexts()...))
			if slices.Contains(speaks, protocol) {
				item.fail("%q stands twice", protocol)
			}
			speaks = append(speaks, protocol)
		}
	} else {
		for _, protocol := range serviceProtocols() {
			if slices.Contains(attached.Facts.Speaks, protocol) {
				speaks = append(speaks, protocol)
			}
		}
	}
	if ready.HTTP != "" || !said && attached.Name == "" {
		for _, protocol := range []Protocol{ProtocolHTTP, ProtocolOrigin} {
			if !slices.Contains(speaks, protocol) {
				speaks = append(speaks, protocol)
			}
		}
	}
	return speaks
}

func protocolTexts() []string {
	var texts []string
	for _, protocol := range serviceProtocols() {
		texts = append(texts, string(protocol))
	}
	return texts
}

// readSeedFiles reads the files that a seed command finds in its folder.
func readSeedFiles(kind Kind, n node) []File {
	if !kind.Facts.Seeds {
		n.fail("no command can make what a %s begins with: leave seed_files out", kind.Name)
		return nil
	}
	return n.seedFiles()
}

// seedFiles reads a list of files, each once.
func (n node) seedFiles() []File {
	files := map[string]File{}
	for _, item := range n.items() {
		file := item.file(item.text())
		file.Path = file.From
		if _, twice := files[file.Path]; twice {
			item.fail("%q stands twice", file.Path)
		}
		files[file.Path] = file
	}
	var out []File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out = append(out, files[name])
	}
	return out
}
