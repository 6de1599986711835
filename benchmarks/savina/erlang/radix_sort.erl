-module(radix_sort).
-export([main/2, stage/3, source/3]).

main(Values, Bits) ->
    Build = fun(Bit, Following) -> spawn_link(?MODULE, stage, [1 bsl Bit, Following, Values]) end,
    First = lists:foldl(Build, self(), lists:seq(Bits - 1, 0, -1)),
    spawn_link(?MODULE, source, [First, Values, Bits]),
    lehmer:checksum([receive Value -> Value end || _ <- lists:seq(1, Values)]).

source(First, Values, Bits) ->
    [First ! Value rem (1 bsl Bits) || Value <- lehmer:take(Values, lehmer:seed(Values))].

stage(Bit, Following, Values) -> stage(Bit, Following, Values, []).

stage(_, Following, 0, HeldBack) -> [Following ! Value || Value <- lists:reverse(HeldBack)];
stage(Bit, Following, Left, HeldBack) ->
    receive
        Value when Value band Bit =/= 0 -> stage(Bit, Following, Left - 1, [Value | HeldBack]);
        Value -> Following ! Value, stage(Bit, Following, Left - 1, HeldBack)
    end.
