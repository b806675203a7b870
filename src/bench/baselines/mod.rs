//! The baselines: the same purchases done in other ways, each as a process of its own.
