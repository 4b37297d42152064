// Fields of a submission that the schema has and this version does nothing with yet.
#pragma once

#include "berth/v1/types.pb.h"
#include "wire/field_path.h"

namespace berth::api {

// Adds each such field that is present in `job`: by name, so that nobody waits for something that
// does not happen. A field leaves the table here when it is honoured, and its comment in the
// .proto changes with it (a test compares the two).
//
// Cost: one pass over the groups, without reflection.
void FindUnhonouredFields(const v1::JobSpec& job, wire::Violations& violations);

// Adds each field, at any depth, that the schema does not have: a newer client may ask for
// something with it. Cost: one pass with reflection, about 100 ns a message.
void FindUnknownFields(const v1::JobSpec& job, wire::Violations& violations);

}  // namespace berth::api
