package daemon

import "rebuild/impact"

// allows tells whether the command of an image may be run.
func (l *loop) allows(im impact.Image) bool {
	return l.Allows == nil || l.Allows(im.Name, im.OnSuccess)
}

// tellUnallowed says which commands of a catalog are not run, each text once.
func (l *loop) tellUnallowed(cat impact.Catalog) {
	told := map[string]string{}
	for _, im := range cat.Images {
		if im.OnSuccess == "" || l.allows(im) {
			continue
		}
		told[im.Name] = im.OnSuccess
		if l.unallowed[im.Name] != im.OnSuccess {
			l.Events(CommandUnallowed{im.Name, im.OnSuccess})
		}
	}
	l.unallowed = told
}
