package catalog

// Suggest is what to add to a message about an unknown word: the nearest known
// one, or nothing.
func Suggest(word string, known []string) string { return didYouMean(word, known) }
