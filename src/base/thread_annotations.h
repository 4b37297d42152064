#pragma once

// Clang's thread-safety attributes under names of our own; g++ sees nothing. Which lock guards
// which field is then part of the declaration, for the reader always and for `tools/lint.sh --tidy`
// too.
//
// See https://clang.llvm.org/docs/ThreadSafetyAnalysis.html for what each means.

#if defined(__clang__)
#define BERTH_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define BERTH_THREAD_ATTRIBUTE(x)
#endif

// On a class: its objects are locks; `name` is used in diagnostics.
#define BERTH_CAPABILITY(name) BERTH_THREAD_ATTRIBUTE(capability(name))
// On a class: its objects hold a lock from construction to destruction.
#define BERTH_SCOPED_CAPABILITY BERTH_THREAD_ATTRIBUTE(scoped_lockable)
// On a field: read and written only with the lock held; on a pointer, what it points to.
#define BERTH_GUARDED_BY(mutex) BERTH_THREAD_ATTRIBUTE(guarded_by(mutex))
#define BERTH_PT_GUARDED_BY(mutex) BERTH_THREAD_ATTRIBUTE(pt_guarded_by(mutex))
// On a function: the caller holds these locks, or must not hold them.
#define BERTH_REQUIRES(...) BERTH_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define BERTH_EXCLUDES(...) BERTH_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
// On a function: what it does to the lock.
#define BERTH_ACQUIRE(...) BERTH_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define BERTH_RELEASE(...) BERTH_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define BERTH_TRY_ACQUIRE(...) BERTH_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define BERTH_RETURN_CAPABILITY(mutex) BERTH_THREAD_ATTRIBUTE(lock_returned(mutex))
// On a function whose locking the analysis cannot follow; a comment says why it is right.
#define BERTH_NO_THREAD_SAFETY_ANALYSIS BERTH_THREAD_ATTRIBUTE(no_thread_safety_analysis)
