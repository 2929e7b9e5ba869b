//! Allow-lists, folders and supervisors.
