package catalog

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// extension reads the x-rebuild of the compose files: at the top what a
// rebuild.yaml holds, on a service its phase and what belongs to it. Nil when
// there is none. Of several files the last one counts.
func (p *project) extension() (*document, error) {
	var doc *document
	for _, src := range p.sources {
		if n := field(p.roots[src.path], "x-rebuild"); n != nil {
			d := &document{path: src.path, data: src.data}
			s := &strict{path: src.path}
			d.read(s, n, "x-rebuild")
			if len(d.definitions) > 0 {
				s.fail(d.definitions[0].spot, "x-rebuild: a compose file is its own definition")
			}
			if len(d.images) > 0 {
				s.fail(d.images[0].name.spot, "x-rebuild: the images are the services")
			}
			if s.first != nil {
				return nil, s.first
			}
			doc = d
		}
	}
	doc, err := p.serviceExtensions(doc)
	if err != nil || doc == nil {
		return nil, err
	}
	s := &strict{path: doc.path}
	if doc.check(s); s.first != nil {
		return nil, s.first
	}
	return doc, nil
}

// serviceExtensions adds what the services say of themselves.
func (p *project) serviceExtensions(doc *document) (*document, error) {
	owner, err := p.owners()
	if err != nil {
		return nil, err
	}
	for _, src := range p.sources {
		services := field(p.roots[src.path], "services")
		if services == nil {
			continue
		}
		services = dealias(services)
		for i := 0; i+1 < len(services.Content); i += 2 {
			n := field(services.Content[i+1], "x-rebuild")
			if n == nil {
				continue
			}
			if doc == nil {
				doc = &document{path: src.path, data: src.data}
			}
			name := services.Content[i]
			s := &strict{path: src.path}
			doc.readService(s, n, text{name.Value, spotOf(name)}, owner[name.Value])
			if s.first != nil {
				return nil, s.first
			}
		}
	}
	return doc, nil
}

// readService reads the x-rebuild of a service. Its phase is that of the name, or
// a new one after those there are.
func (doc *document) readService(s *strict, n *yaml.Node, service text, image string) {
	var phase text
	critical, onPush := false, ""
	where := "x-rebuild of service " + service.text
	s.fields(n, where, map[string]func(*yaml.Node){
		"phase":      func(n *yaml.Node) { phase = s.filled(n, where+".phase") },
		"critical":   func(n *yaml.Node) { critical = s.boolean(n, where+".critical") },
		"on_push":    func(n *yaml.Node) { onPush = s.oneOf(n, where+".on_push", "build", "warn", "skip") },
		"on_success": func(n *yaml.Node) { doc.setCommand(image, s.filled(n, where+".on_success").text) },
	})
	switch {
	case image == "":
		s.fail(service.spot, "%s: it has no build", where)
		return
	case phase.text == "" && (critical || onPush != ""):
		s.fail(service.spot, "%s: critical and on_push are those of a phase: name the phase", where)
		return
	case phase.text == "":
		return
	}
	doc.join(phase, text{image, service.spot}, critical, onPush)
}

// join puts an image into a phase.
func (doc *document) join(name, image text, critical bool, onPush string) {
	i := slices.IndexFunc(doc.phases, func(p phase) bool { return p.name.text == name.text })
	if i < 0 {
		i = len(doc.phases)
		doc.phases = append(doc.phases, phase{name: name})
	}
	ph := &doc.phases[i]
	if !slices.ContainsFunc(ph.patterns, func(t text) bool { return t.text == image.text }) {
		ph.patterns = append(ph.patterns, image)
	}
	ph.critical = ph.critical || critical
	if onPush != "" {
		ph.onPush = onPush
	}
}

// owners maps each service with a build to the name of its image.
func (p *project) owners() (map[string]string, error) {
	images, err := p.images()
	if err != nil {
		return nil, err
	}
	owner := map[string]string{}
	for _, im := range images {
		for _, s := range im.services {
			owner[s] = im.name
		}
	}
	return owner, nil
}
