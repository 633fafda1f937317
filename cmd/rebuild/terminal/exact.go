package terminal

import (
	"bytes"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// Exact is a value as JSON can hold it: a string that is no UTF-8, which encoding/json
// would mutilate, is Quoted. All else is the value itself.
func Exact(v any) any {
	if v == nil || isExact(reflect.ValueOf(v)) {
		return v
	}
	return exact(reflect.ValueOf(v)).Interface()
}

// isExact tells whether every string in a value is UTF-8. Nearly all are.
func isExact(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || isExact(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && !isExact(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return true // written in base64
		}
		for i := range v.Len() {
			if !isExact(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for at := v.MapRange(); at.Next(); {
			if !isExact(at.Key()) || !isExact(at.Value()) {
				return false
			}
		}
	}
	return true
}

// exact is a copy of a value whose strings are UTF-8.
func exact(v reflect.Value) reflect.Value {
	if isExact(v) {
		return v
	}
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		out.SetString(Quoted(v.String()))
	case reflect.Pointer:
		out.Set(reflect.New(v.Type().Elem()))
		out.Elem().Set(exact(v.Elem()))
	case reflect.Interface:
		out.Set(exact(v.Elem()))
	case reflect.Struct:
		out.Set(v) // with what is not exported, and not printed
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(exact(v.Field(i)))
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		for i := range v.Len() {
			out.Index(i).Set(exact(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		for at := v.MapRange(); at.Next(); {
			out.SetMapIndex(exact(at.Key()), exact(at.Value()))
		}
	}
	return out
}

// unspokenJSON takes commands to a CI system and to a terminal out of JSON, which stays the
// same: a "#" is in a string, and so are the controls that encoding/json writes as they are
// (DEL, and the second set, where CSI is one character).
func unspokenJSON(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("##"), []byte(`\u0023#`))
	if !bytes.ContainsFunc(text, isLateControl) {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) { // encoding/json writes UTF-8 alone
		if isLateControl(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

func isLateControl(r rune) bool { return r >= 0x7f && r <= 0x9f }
