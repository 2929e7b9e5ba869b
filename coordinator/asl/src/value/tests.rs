//! Values: text to value to text.
