//go:build !defect_group

package group

// apart: no two items of one key in a group. Builds with the tag defect_group
// break that on purpose, so that the tests can be seen to notice
// (docs/operations/defects.md).
const apart = true
