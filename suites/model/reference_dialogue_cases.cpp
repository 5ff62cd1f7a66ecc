// The reference dialogue under the model engine: a client and a server and all that can come of
// their calls and of one death, and more of both as they are drawn.
#include <utility>

#include "cases/case.h"
#include "model/model_case.h"
#include "model/reference_scenarios.h"

namespace gauntlet {
namespace {

using schedule::DialogueScenario;
using schedule::Memory;
using schedule::Search;
using schedule::Workload;

// How many executions: a smoke test's share, what a night can see, and a soak.
std::uint64_t share(CaseContext& context) { return context.amount(250, 30'000, 20'000'000); }

constexpr std::chrono::seconds kDeadline{180};
constexpr std::uint64_t kAll = 1'000'000'000;
/// Beside the word, and behind the object.
constexpr std::uint32_t kSizes[] = {8, 32};

void see_all(CaseContext& context, DialogueScenario plan) {
  for (const std::uint32_t bytes : kSizes) {
    plan.bytes = bytes;
    for (const Memory memory : {Memory::sc, Memory::tso}) {
      hold(context, schedule::dialogue_calls(plan), memory, Search::states, kAll, true);
    }
  }
}

/// Everything of three calls each is more than a smoke test waits for.
bool is_smoke(CaseContext& context) { return context.profile() == Profile::smoke; }

/// Of the larger messages, which have more steps.
void draw(CaseContext& context, DialogueScenario plan) {
  plan.bytes = 32;
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, schedule::dialogue_calls(plan), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(MessagePassingRaces, ReferenceDialogue_AllInterleavingsGiveEachCallItsReply,
              .clause = "reference/dialogue.h (reply answers ok exactly if the call gets it)",
              .deadline = kDeadline) {
  see_all(context, {.workload = is_smoke(context) ? Workload{"cc", "ss"} : Workload{"ccc", "sss"}});
  draw(context, {.workload = {"cccc", "ssss"}});
}

// The server copies while the client withdraws and writes the next request over it.
GAUNTLET_CASE(MessagePassingRaces, ReferenceDialogueWithdrawn_BothSidesAreToldTheSame,
              .clause = "reference/dialogue.h (withdrawn, and no reply to it will be ok)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"tt", "pp"}, .somebody_gives_up = true});
  see_all(context, {.workload = {"tc", "ps"}, .somebody_gives_up = true});
  see_all(context, {.workload = {"dc", "ss"}, .somebody_gives_up = true, .time_outs = 1});
  draw(context, {.workload = {"tdtc", "ssps"}, .somebody_gives_up = true, .time_outs = 1});
}

GAUNTLET_CASE(MessagePassingRaces, ReferenceDialogueClosed_EverybodyIsToldAndNoReplyIsLost,
              .clause = "reference/dialogue.h (a reply that came before is still the call's)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"cc", "sx"}});
  see_all(context, {.workload = {"cx", "ss"}});
  see_all(context, {.workload = {"c", "rx"}});
  draw(context, {.workload = {"cccx", "ssss"}});
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceDialogueAllSingleDeaths_HaveRepliedOrAreToldOf,
              .clause = "reference/dialogue.h (death at any instruction)", .deadline = kDeadline) {
  see_all(context, {.workload = {"tc", "ps"}, .deaths = 1, .somebody_gives_up = true});
  see_all(context, {.workload = is_smoke(context) ? Workload{"cc", "ss"} : Workload{"ccc", "sss"},
                    .deaths = 1});
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceDialogueCloserDies_IsClosedForBothOrForNobody,
              .clause = "reference/dialogue.h (from one instant on everything is closed)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"cc", "sx"}, .deaths = 1});
  see_all(context, {.workload = {"cx", "ss"}, .deaths = 1});
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceDialogueHeirOfADeadServer_ReceivesNothingTwice,
              .clause = "reference/dialogue.h (a request is received by one server at most)",
              .deadline = kDeadline) {
  see_all(context, {.workload = is_smoke(context) ? Workload{"c", "s"} : Workload{"cc", "ss"},
                    .deaths = 1,
                    .heir = is_smoke(context) ? "s" : "ss"});
  for (const std::uint32_t deaths : {1, 2}) {
    draw(context, {.workload = {"ccc", "sss"}, .deaths = deaths, .heir = "sss"});
  }
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceDialogueHeirOfADeadClient_GetsItsOwnReplies,
              .clause = "reference/dialogue.h (what it asked is withdrawn)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"c", "ss"}, .deaths = 1, .heir = "c", .somebody_gives_up = true});
  for (const std::uint32_t deaths : {1, 2}) {
    draw(context,
         {.workload = {"cc", "ssss"}, .deaths = deaths, .heir = "tcc", .somebody_gives_up = true});
  }
}

}  // namespace
}  // namespace gauntlet
